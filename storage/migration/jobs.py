"""The rows of migration jobs: created by the API, moved on by activities, read by both.

Only `advance` changes the status of a job, and only activities call it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import and_, case, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from domain.mapping.mapping import ImportMapping
from domain.migration.instance import spelled_as_before
from domain.migration.job import AFTER_IMPORT, FINAL, Phase, Status
from storage.migration.tables import migration_job_mappings, migration_jobs
from storage.postgres.rows import create_row, find_row, rows_of


@dataclass(frozen=True, slots=True)
class NewJob:
    """The columns of a new job, known once its file is stored; `object_size` in bytes."""

    source_system: str
    source_instance: str
    entity_type: str
    format: str
    charset: str | None
    delimiter: str | None
    file_name: str
    object_key: str
    object_size: int
    object_etag: str
    sha256: str
    source_timezone: str | None
    dry_run: bool
    created_by: str


class Job(TypedDict):
    """A row of migration_jobs."""

    id: UUID
    tenant_id: str
    source_system: str
    source_instance: str
    entity_type: str
    format: str
    charset: str | None
    delimiter: str | None
    file_name: str
    object_key: str
    file_path: str
    object_size: int
    object_etag: str
    sha256: str
    status: str
    phase: str
    epoch: int
    turn: int
    mapping_revision: int
    source_timezone: str | None
    dry_run: bool
    options: Json
    total_records: int
    chunks: int
    batches: int | None
    profile: Json
    preview: Json | None
    validation: Json | None
    report: Json
    warnings: list[str]
    failure: Json | None
    ending: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


_UNFINISHED = or_(
    migration_jobs.c.status.not_in(FINAL),
    and_(migration_jobs.c.status == Status.COMPLETED, migration_jobs.c.ending.is_not(None)),
)

_BEFORE_IMPORT = (Phase.UPLOADING, Phase.PARSING, Phase.AWAITING_EXECUTE, Phase.VALIDATING)
# As api/migration/view.py shows it.
_shown_status = case(
    (migration_jobs.c.phase.in_(AFTER_IMPORT), Status.PROCESSING), else_=migration_jobs.c.status
)


async def create(
    connection: AsyncConnection, tenant_id: str, new: NewJob, mapping: ImportMapping | None
) -> Job:
    """Create a pending job for a stored upload, with revision 1 of its mapping if one was given.

    The source instance gets the spelling that the tenant has used before, if it differs only in
    spelling.
    """
    values = {name: getattr(new, name) for name in new.__slots__} | {"tenant_id": tenant_id}
    known = await _instances(connection, new.source_system)
    values["source_instance"] = spelled_as_before(new.source_instance, known)
    job = await create_row(connection, Job, migration_jobs, values)
    if mapping is not None:
        await add_mapping(connection, tenant_id, job["id"], mapping)
    return job


async def _instances(connection: AsyncConnection, source_system: str) -> list[str]:
    """The names of the source system's installations that the tenant has uploaded files of, the
    oldest first."""
    jobs = migration_jobs.c
    query = select(jobs.source_instance).where(jobs.source_system == source_system)
    named = query.group_by(jobs.source_instance).order_by(func.min(jobs.created_at))
    return list(await connection.scalars(named))


async def find(connection: AsyncConnection, job_id: UUID) -> Job | None:
    return await find_row(connection, Job, migration_jobs, job_id)


async def lock(connection: AsyncConnection, job_id: UUID) -> Job | None:
    """The job, locked: nobody else changes it or imports for it until this transaction ends."""
    return await find_row(connection, Job, migration_jobs, job_id, lock=True)


async def page(
    connection: AsyncConnection, limit: int, before: UUID | None, status: Status | None = None
) -> list[Job]:
    """One page of the tenant's jobs, newest first (ids are in time order), older than `before`;
    with `status`, those that are shown in that status."""
    query = select(migration_jobs).order_by(migration_jobs.c.id.desc()).limit(limit)
    if status is not None:
        query = query.where(_shown_status == status)
    if before is not None:
        query = query.where(migration_jobs.c.id < before)
    return rows_of(Job, await connection.execute(query))


async def unfinished(connection: AsyncConnection) -> list[Job]:
    """The tenant's jobs that have not ended or are being rolled back, for the reaper."""
    query = select(migration_jobs).where(_UNFINISHED)
    return rows_of(Job, await connection.execute(query))


async def statuses_of_files(connection: AsyncConnection) -> dict[str, Status]:
    """The status of each of the tenant's jobs, by the key of its upload."""
    query = select(migration_jobs.c.object_key, migration_jobs.c.status)
    return {key: Status(status) for key, status in await connection.execute(query)}


async def hold_room(connection: AsyncConnection, tenant_id: str) -> None:
    """Lock the tenant's storage quota: until the transaction ends, nobody else records an upload of
    the tenant."""
    name = func.hashtextextended(f"{tenant_id}/uploads", 0)
    await connection.execute(select(func.pg_advisory_xact_lock(name)))


async def stored_bytes(connection: AsyncConnection) -> int:
    """The size of the tenant's uploads that are still stored."""
    held = select(func.coalesce(func.sum(migration_jobs.c.object_size), 0))
    return int(await connection.scalar(held.where(migration_jobs.c.status.not_in(FINAL))) or 0)


def summary(job: Job) -> str:
    """The job in a few words, for the Temporal UI; it quotes nothing from the file."""
    slug = job["object_key"].partition("/")[0]
    file = f"{job['format'].upper()}, {job['object_size']:,} bytes"
    return f"{slug} · {job['source_system']} {job['entity_type']} · {file}"


async def advance(
    connection: AsyncConnection, job_id: UUID, status: Status, phase: Phase, **changes: Any
) -> None:
    """Move a job to a status and phase, with further `changes` of columns; sets its start and end
    times.

    Changes that come too late, from an activity that hung, are ignored: an import that has begun
    never returns to an earlier phase, a job that is being undone only goes on to its end, and a
    final status stays, except that a completed job may become `rolled_back`.
    """
    at: dict[str, object] = {}
    if status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
        at["completed_at"] = func.coalesce(migration_jobs.c.completed_at, func.now())
    if phase is Phase.IMPORTING:
        at["started_at"] = func.coalesce(migration_jobs.c.started_at, func.now())
    moved = update(migration_jobs).where(migration_jobs.c.id == job_id)
    if status is Status.ROLLED_BACK:
        moved = moved.where(migration_jobs.c.status == Status.COMPLETED)
    else:
        moved = moved.where(migration_jobs.c.status.not_in(FINAL))
    if phase in _BEFORE_IMPORT:
        moved = moved.where(migration_jobs.c.started_at.is_(None))
    if status not in FINAL:
        moved = moved.where(migration_jobs.c.ending.is_(None))
    await connection.execute(moved.values(status=status, phase=phase, **at, **changes))


async def next_epoch(connection: AsyncConnection, job_id: UUID, **changes: Any) -> int:
    """Begin another run of the job, and return its epoch. Nothing is written for earlier runs from
    now on."""
    epoch: int = await connection.scalar(
        update(migration_jobs)
        .where(migration_jobs.c.id == job_id)
        .values(epoch=migration_jobs.c.epoch + 1, **changes)
        .returning(migration_jobs.c.epoch)
    )
    return epoch


async def note(connection: AsyncConnection, job_id: UUID, **changes: Any) -> None:
    """Change columns of a job without changing its status."""
    await connection.execute(
        update(migration_jobs).where(migration_jobs.c.id == job_id).values(**changes)
    )


async def warn(connection: AsyncConnection, job_id: UUID, warning: str) -> None:
    """Add a sentence to the job's warnings, unless it is there already."""
    await connection.execute(
        text(
            "update public.migration_jobs set warnings = warnings || to_jsonb(cast(:w as text))"
            " where id = :id and not warnings @> to_jsonb(cast(:w as text))"
        ),
        {"id": job_id, "w": warning},
    )


async def add_mapping(
    connection: AsyncConnection, tenant_id: str, job_id: UUID, mapping: ImportMapping
) -> int:
    """Store a further revision of the job's mapping; returns its number."""
    newest = (
        select(func.coalesce(func.max(migration_job_mappings.c.revision), 0) + 1)
        .where(migration_job_mappings.c.job_id == job_id)
        .scalar_subquery()
    )
    revision: int = await connection.scalar(
        insert(migration_job_mappings)
        .values(
            job_id=job_id,
            revision=newest,
            tenant_id=tenant_id,
            mapping=_stored(mapping),
        )
        .returning(migration_job_mappings.c.revision)
    )
    return revision


async def settle_mapping(
    connection: AsyncConnection, job_id: UUID, revision: int, mapping: ImportMapping
) -> None:
    """Complete a revision of the mapping by what the file has settled, such as the order of day and
    month in its dates."""
    await connection.execute(
        update(migration_job_mappings)
        .where(
            migration_job_mappings.c.job_id == job_id,
            migration_job_mappings.c.revision == revision,
        )
        .values(mapping=_stored(mapping))
    )


async def mapping_of(
    connection: AsyncConnection, job_id: UUID, revision: int
) -> ImportMapping | None:
    """One revision of a job's mapping; None if there is no such revision."""
    found = await connection.scalar(
        select(migration_job_mappings.c.mapping).where(
            migration_job_mappings.c.job_id == job_id,
            migration_job_mappings.c.revision == revision,
        )
    )
    return None if found is None else ImportMapping.model_validate(found)


def _stored(mapping: ImportMapping) -> Json:
    return mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True)
