"""Stores how a job's work was started, from one start to the next; the rules are in
domain/migration/crash_count.py."""

from collections.abc import Callable
from dataclasses import asdict, fields
from uuid import UUID

from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import insert

from domain.migration.crash_count import Starts
from domain.tenant import TenantId
from storage.migration.tables import migration_jobs, work_starts
from storage.postgres.database import Database

_COLUMNS = [work_starts.c[field.name] for field in fields(Starts)]


async def change_starts(
    database: Database, tenant_id: TenantId, job_id: UUID, change: Callable[[Starts], Starts]
) -> Starts:
    """Apply `change` to what is stored of the job's starts; returns the result, once it is on
    disk."""
    async with database.tenant(tenant_id) as connection:
        row = (
            await connection.execute(
                select(*_COLUMNS).where(work_starts.c.job_id == job_id).with_for_update()
            )
        ).one_or_none()
        known = Starts() if row is None else Starts(*row)
        changed = change(known)
        if changed != known:
            values = asdict(changed)
            first = insert(work_starts).from_select(
                ["job_id", "tenant_id", *values],
                select(
                    migration_jobs.c.id,
                    migration_jobs.c.tenant_id,
                    *(cast(value, work_starts.c[name].type) for name, value in values.items()),
                ).where(migration_jobs.c.id == job_id),
            )
            await connection.execute(
                first.on_conflict_do_update(
                    index_elements=["job_id"], set_={**values, "changed_at": func.now()}
                )
            )
    return changed
