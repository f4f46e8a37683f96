"""Takes back what a job wrote, chunk by chunk, newest first: insertions are deleted, updates are
restored from their before-images. Rows that somebody edited since stay, and are listed.

What was undone is added to the job's report in the chunk's own transaction, so that an undo which
is interrupted and started again still says everything.
"""

from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.entity import Entity
from domain.migration import Undone
from domain.tenant import TenantId
from storage.database import Database
from storage.ledger import one_writer
from storage.tables import import_chunks, records

KEPT = "kept_edited"


async def undoable(connection: AsyncConnection, job_id: UUID) -> list[int]:
    """The chunks of the job that are in, in the order in which they must be taken back."""
    found = await connection.scalars(
        select(import_chunks.c.chunk)
        .where(
            import_chunks.c.job_id == job_id,
            import_chunks.c.committed_at.is_not(None),
            import_chunks.c.undone_at.is_(None),
        )
        .order_by(import_chunks.c.chunk.desc())
    )
    return list(found)


async def undo_chunk(
    database: Database, tenant_id: TenantId, entity: Entity, job_id: UUID, chunk: int
) -> None:
    """Take one chunk back, once, and add what was undone to the job's report."""
    async with database.tenant(tenant_id) as connection:
        await one_writer(connection, tenant_id, entity.table)
        claimed = await connection.execute(
            update(import_chunks)
            .where(
                import_chunks.c.job_id == job_id,
                import_chunks.c.chunk == chunk,
                import_chunks.c.undone_at.is_(None),
            )
            .values(undone_at=text("now()"))
            .returning(import_chunks.c.first_id, import_chunks.c.last_id)
        )
        span = claimed.one_or_none()
        if span is None:
            return
        names = {"table": f"{tenant_id.schema}.{entity.table}", "schema": tenant_id.schema}
        values = {"job": job_id, "chunk": chunk, "first": span.first_id, "last": span.last_id}
        await connection.execute(text("select set_config('app.import', 'on', true)"))
        restored = await _count(connection, _restore(entity).format(**names), values)
        deleted = await _count(connection, _DELETE.format(**names), values)
        kept = await _count(connection, _KEEP.format(**names), values)
        undone = Undone(deleted=deleted, restored=restored, kept=kept)
        await connection.execute(text(_REPORT), {"job": job_id, **undone.model_dump()})


async def _count(connection: AsyncConnection, sql: str, values: dict[str, object]) -> int:
    return (await connection.execute(text(sql), values)).rowcount


_REPORT = """
update public.migration_jobs set report = report || jsonb_build_object('undone', jsonb_build_object(
    'deleted', coalesce((report #>> '{undone,deleted}')::int, 0) + :deleted,
    'restored', coalesce((report #>> '{undone,restored}')::int, 0) + :restored,
    'kept', coalesce((report #>> '{undone,kept}')::int, 0) + :kept))
where id = :job
"""

# Ids are uuidv7, so the range of a chunk's ids finds its rows without an index on the job.
_DELETE = """
delete from {table} t
where t.id between :first and :last and t.migration_job_id = :job and t.row_version = 1
"""

# What is still there after deleting and restoring: rows whose version, or last import, is not
# the one this job had left. Each half begins with few rows; as one condition it would look at every
# before-image for every record of the table.
_KEEP = f"""
insert into {{schema}}.import_errors (job_id, revision, source_row, source_id, code, detail)
select cast(:job as uuid), 0, coalesce(kept.source_row, 0), kept.source_id, '{KEPT}',
       'edited since the import, so it was kept'
from (
    select t.id, t.source_row, t.source_id from {{table}} t
    where t.id between :first and :last and (t.migration_job_id = :job or t.id in (
        select b.record_id from {{schema}}.import_before_images b
        where b.job_id <> :job and b.before ->> 'migration_job_id' = cast(:job as text)))
    union
    select t.id, t.source_row, t.source_id
    from {{schema}}.import_before_images b join {{table}} t on t.id = b.record_id
    where b.job_id = :job and b.chunk = :chunk
        and (t.row_version <> (b.before ->> 'row_version')::int or t.migration_job_id = :job)
) kept
"""


def _restore(entity: Entity) -> str:
    columns = [f'"{column.name}"' for column in records[entity.name].columns if column.name != "id"]
    target, old = ", ".join(columns), ", ".join(f"r.{column}" for column in columns)
    return (
        f"update {{table}} t set ({target}) = (select {old}"
        " from jsonb_populate_record(null::{table}, b.before) r)"
        " from {schema}.import_before_images b"
        " where b.job_id = :job and b.chunk = :chunk and t.id = b.record_id"
        " and t.row_version = b.row_version and t.migration_job_id = :job"
    )
