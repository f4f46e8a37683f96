"""Undoes what a job wrote, batch by batch, newest first: inserted rows are deleted, updated rows
are restored from their before-images. Rows that somebody edited since, or that other rows in the
database refer to, are kept and listed.

Each batch is undone in one transaction, which also adds its numbers to the job's report. So the
report is complete even if the undo is interrupted and started again.
"""

from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.mapping.entity import Entity
from domain.migration.job import Undone
from domain.tenant import TenantId
from storage.migration.importing.ledger import one_writer
from storage.migration.tables import import_chunks, records
from storage.postgres.database import Database

KEPT, REFERENCED = "kept_edited", "kept_referenced"


async def undoable(connection: AsyncConnection, job_id: UUID) -> list[int]:
    """The committed batches of the job that are not undone, in the order in which they must be."""
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


async def undo_batch(
    database: Database, tenant_id: TenantId, entity: Entity, job_id: UUID, batch: int
) -> None:
    """Undo one batch, unless it is undone already, and add the numbers to the job's report."""
    async with database.tenant(tenant_id) as connection:
        await one_writer(connection, tenant_id, entity.table)
        claimed = await connection.execute(
            update(import_chunks)
            .where(
                import_chunks.c.job_id == job_id,
                import_chunks.c.chunk == batch,
                import_chunks.c.undone_at.is_(None),
            )
            .values(undone_at=text("now()"))
            .returning(import_chunks.c.first_id, import_chunks.c.last_id)
        )
        span = claimed.one_or_none()
        if span is None:
            return
        table = f"{tenant_id.schema}.{entity.table}"
        free = await _unreferenced(connection, table)
        names = {"table": table, "schema": tenant_id.schema, "free": free}
        values = {"job": job_id, "chunk": batch, "first": span.first_id, "last": span.last_id}
        await connection.execute(text("select set_config('app.import', 'on', true)"))
        restored = await _count(connection, _restore(entity).format(**names), values)
        deleted = await _delete(connection, names, values)
        kept = await _count(connection, _KEEP.format(**names), values)
        undone = Undone(deleted=deleted, restored=restored, kept=kept)
        await connection.execute(text(_REPORT), {"job": job_id, **undone.model_dump()})


async def _unreferenced(connection: AsyncConnection, table: str) -> str:
    """An SQL condition: no other row refers to row `t` by a foreign key. This includes keys that
    would cascade or be set to null, as a deletion would then change other data."""
    found = await connection.execute(text(_FOREIGN_KEYS), {"table": table})
    conditions = (
        f" and not exists (select from {child} c where {' and '.join(pairs)})"
        for child, pairs in found
    )
    return "".join(conditions).replace(":", "\\:")  # SQLAlchemy takes `:name` for a parameter


async def _delete(
    connection: AsyncConnection, names: dict[str, str], values: dict[str, object]
) -> int:
    """Delete the rows that the batch inserted; all in one statement if no constraint forbids it."""
    # So that deferred constraints fail here, and not at the commit.
    await connection.execute(text("set constraints all immediate"))
    deleted = await _unless_referenced(connection, _DELETE.format(**names), values)
    if deleted is not None:
        return deleted
    found = await connection.scalars(text(_INSERTED.format(**names)), values)
    return await _delete_free(
        connection, f"{_DELETE} and t.id = any(:ids)".format(**names), values, list(found)
    )


async def _delete_free(
    connection: AsyncConnection, sql: str, values: dict[str, object], ids: list[UUID]
) -> int:
    """Delete the rows that no constraint protects: if a deletion of all fails, each half is tried
    alone. Returns the number of deleted rows."""
    deleted = await _unless_referenced(connection, sql, {**values, "ids": ids})
    if deleted is not None or len(ids) == 1:
        return deleted or 0
    half = len(ids) // 2
    first = await _delete_free(connection, sql, values, ids[:half])
    return first + await _delete_free(connection, sql, values, ids[half:])


async def _unless_referenced(
    connection: AsyncConnection, sql: str, values: dict[str, object]
) -> int | None:
    """How many rows the statement deleted; None if a constraint forbids it, and then no row is
    deleted. Only references to a row can forbid its deletion, so any constraint means that."""
    try:
        async with connection.begin_nested():
            return await _count(connection, sql, values)
    except IntegrityError:
        return None


async def _count(connection: AsyncConnection, sql: str, values: dict[str, object]) -> int:
    return (await connection.execute(text(sql), values)).rowcount


_REPORT = """
update public.migration_jobs set report = report || jsonb_build_object('undone', jsonb_build_object(
    'deleted', coalesce((report #>> '{undone,deleted}')::int, 0) + :deleted,
    'restored', coalesce((report #>> '{undone,restored}')::int, 0) + :restored,
    'kept', coalesce((report #>> '{undone,kept}')::int, 0) + :kept))
where id = :job
"""

# Foreign keys that refer to the table, from tables that we may read. For other tables only the
# key's own rule (restrict, cascade …) protects their rows.
_FOREIGN_KEYS = """
select cast(cast(k.conrelid as regclass) as text),
    array_agg('c.' || quote_ident(child.attname) || ' = t.' || quote_ident(parent.attname))
from pg_constraint k cross join unnest(k.conkey, k.confkey) as pair (child, parent)
join pg_attribute child on child.attrelid = k.conrelid and child.attnum = pair.child
join pg_attribute parent on parent.attrelid = k.confrelid and parent.attnum = pair.parent
where k.contype = 'f' and k.confrelid = to_regclass(:table)
    and has_table_privilege(k.conrelid, 'select')
group by k.oid, k.conrelid
"""
# Ids are uuidv7 and so in time order: a batch's rows are found by the range of their ids, without
# an index on the job.
_MINE = "t.id between :first and :last and t.migration_job_id = :job and t.row_version = 1{free}"
_DELETE = f"delete from {{table}} t where {_MINE}"
_INSERTED = f"select t.id from {{table}} t where {_MINE}"

# Lists what is left after deleting and restoring: rows that were edited or imported again since
# this job, and unchanged insertions that something refers to. Each half of the union starts from
# few rows; a single condition would read every before-image for every record of the table.
_REFERENCED = "t.migration_job_id is not distinct from :job and t.row_version = 1"
_KEEP = f"""
insert into {{schema}}.import_errors (job_id, revision, source_row, source_id, code, detail)
select cast(:job as uuid), 0, coalesce(kept.source_row, 0), kept.source_id,
       case when kept.referenced then '{REFERENCED}' else '{KEPT}' end,
       case when kept.referenced then 'other data refers to it, so it was kept'
            else 'changed since the import, by somebody or by a later import, so it was kept' end
from (
    select t.id, t.source_row, t.source_id, {_REFERENCED} as referenced from {{table}} t
    where t.id between :first and :last and (t.migration_job_id = :job or t.id in (
        select b.record_id from {{schema}}.import_before_images b
        where b.job_id <> :job and b.before ->> 'migration_job_id' = cast(:job as text)))
    union
    select t.id, t.source_row, t.source_id, {_REFERENCED}
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
