"""The import ledger: the rows of a batch and its ledger row are committed together, exactly once.

The transaction checks that the job is still in this run (the fence), claims the ledger row, COPYs
new records, updates known ones, and writes the counts to the ledger row. The ledger is the table
`import_chunks`, named when batches were called chunks.
"""

from enum import Enum, auto
from uuid import UUID

import polars as pl
from sqlalchemy import exists, select, text, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.failures import BadInput, duplicate
from domain.migration.accounting import Account
from domain.migration.job import Counts, Status
from domain.tenant import TenantId
from storage.migration.account import account_of
from storage.migration.errors import add_duplicates
from storage.migration.importing.batch_rows import Batch, write_records
from storage.migration.importing.copying import copy_rows, to_csv
from storage.migration.importing.known_records import Driver
from storage.migration.importing.matching import matched_ids
from storage.migration.importing.outcomes import REFUSED
from storage.migration.importing.run import Run
from storage.migration.tables import import_chunks, import_skips, migration_jobs
from storage.postgres.database import Database, raw


class Superseded(Exception):
    """The job has left the run that this import belongs to: nothing may be written for that run."""


class Written(Enum):
    """The result of writing a batch."""

    PAUSED = auto()  # not written: the job is paused
    GAP = auto()  # not written: the batch before it is not committed
    NEW = auto()  # committed; the tenant had none of its ids
    KNOWN = auto()  # committed; the tenant had some of its ids


async def write_batch(database: Database, run: Run, batch: Batch, expected: Written) -> Written:
    """Import one batch, unless it is committed already.

    `expected` is NEW or KNOWN; a wrong guess only costs time. The commit is not flushed (see
    `proven_account`). Batches are committed in order, since the order decides which of two records
    with one id wins: if a crash undid the batch before, this one is not written (GAP). Raises
    Superseded if the job was stopped or restarted meanwhile.
    """
    await _note_attempt(database, run, batch.number)
    async with database.tenant(run.tenant_id, flush=False) as connection:
        if await _fence(connection, run) == Status.PAUSED:
            return Written.PAUSED
        if not await _claim(connection, run, batch.number):
            return expected if await _is_in(connection, run, batch.number) else Written.GAP
        counts, span, written = await _write_rows(connection, run, batch, expected)
        await _complete(connection, run, batch, counts, span)
    return written


async def proven_account(database: Database, run: Run) -> Account:
    """The job's account; everything that it counts is on disk when this returns.

    The ledger is read in the transaction whose commit flushes the server's log (WAL). No restart of
    the server can lie between that read and that commit, so all batches that were read are in the
    flushed log. A flush by another transaction would prove nothing: the server may have restarted
    in between, and lost batches that were not flushed. Raises Superseded if the job was stopped or
    restarted meanwhile.
    """
    async with database.tenant(run.tenant_id) as connection:
        locked = await connection.execute(
            migration_jobs.update()
            .where(migration_jobs.c.id == run.job_id, migration_jobs.c.epoch == run.epoch)
            .values(epoch=migration_jobs.c.epoch)  # without a write, the commit would not flush
            .returning(migration_jobs.c.id)
        )
        if locked.one_or_none() is None:
            raise _superseded(run)
        return await account_of(connection, run.job_id)


async def _note_attempt(database: Database, run: Run, number: int) -> None:
    first = insert(import_chunks).values(job_id=run.job_id, chunk=number, attempts=1)
    again = first.on_conflict_do_update(
        index_elements=["job_id", "chunk"],
        set_={"attempts": import_chunks.c.attempts + 1},
        where=import_chunks.c.committed_at.is_(None),
    )
    async with database.tenant(run.tenant_id, flush=False) as connection:
        await connection.execute(again)


async def _fence(connection: AsyncConnection, run: Run) -> Status:
    # FOR NO KEY UPDATE, not FOR SHARE: with the shared locks of one batch after another, a pause
    # waited for 10 s.
    row = (
        await connection.execute(
            select(migration_jobs.c.status, migration_jobs.c.epoch)
            .where(migration_jobs.c.id == run.job_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None or row.epoch != run.epoch:
        raise _superseded(run)
    await one_writer(connection, run.tenant_id, run.table)
    return Status(row.status)


def _superseded(run: Run) -> Superseded:
    return Superseded(f"job {run.job_id} has left run {run.epoch}")


async def one_writer(connection: AsyncConnection, tenant_id: TenantId, table: str) -> None:
    """Lock the tenant's table: until the transaction ends, no other batch is imported into it or
    undone in it. Without this, two jobs with the same ids deadlocked.
    """
    await connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{tenant_id}/{table}"},
    )


async def _claim(connection: AsyncConnection, run: Run, number: int) -> bool:
    """Mark the batch as committed; False if it is already, or if the batch before it is not."""
    before = import_chunks.alias("before")
    is_next = exists().where(
        before.c.job_id == run.job_id,
        before.c.chunk == number - 1,
        before.c.committed_at.is_not(None),
    )
    claimed = await connection.execute(
        import_chunks.update()
        .where(
            import_chunks.c.job_id == run.job_id,
            import_chunks.c.chunk == number,
            import_chunks.c.committed_at.is_(None),
            is_next if number else true(),
        )
        .values(committed_at=text("now()"))
        .returning(import_chunks.c.chunk)
    )
    return claimed.one_or_none() is not None


async def _is_in(connection: AsyncConnection, run: Run, number: int) -> bool:
    at = select(import_chunks.c.committed_at).where(
        import_chunks.c.job_id == run.job_id, import_chunks.c.chunk == number
    )
    return await connection.scalar(at) is not None


async def _write_rows(
    connection: AsyncConnection, run: Run, batch: Batch, expected: Written
) -> tuple[Counts, tuple[UUID, UUID], Written]:
    driver = await raw(connection)
    given, batch = batch.rows, await _matched(driver, run, batch)
    first: UUID = await driver.fetchval("select uuidv7()")
    result = await write_records(driver, run, batch, is_new=expected is not Written.KNOWN)
    last: UUID = await driver.fetchval("select uuidv7()")
    left_out, is_refused = _as_given(result.left_out, given), pl.col("outcome") == REFUSED
    await _note_refused(connection, run, left_out.filter(is_refused))
    await _note_skipped(driver, run, left_out.filter(~is_refused))
    return result.counts, (first, last), Written.KNOWN if result.met else Written.NEW


async def _matched(driver: Driver, run: Run, batch: Batch) -> Batch:
    """The batch, in which rows that match a record by its number have got that record's id."""
    if run.match == "never":
        return batch
    ids = await matched_ids(driver, run, batch.rows)
    if ids.equals(batch.rows["source_id"]):
        return batch
    rows, told = (rows.with_columns(source_id=ids) for rows in (batch.rows, batch.told))
    return Batch.of(batch.number, rows, told, batch.failed, is_new=False)


def _as_given(left_out: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """The left out records with the ids of the file (before matching), so that the user finds them
    there."""
    ids = given.select("_row", "source_id")
    return left_out.select("_row", "outcome").join(
        ids, on="_row", how="left", maintain_order="left"
    )


async def _note_refused(connection: AsyncConnection, run: Run, refused: pl.DataFrame) -> None:
    """List records whose ids the tenant has got since the file was validated. Raises BadInput if
    the user wants all records imported or none."""
    if refused.is_empty():
        return
    found = [duplicate(row, id) for row, id in refused.select("_row", "source_id").iter_rows()]
    if run.all_or_nothing:
        raise BadInput(found[0].code, found[0].detail, row=found[0].row)
    await add_duplicates(connection, run.job_id, run.revision, found)


async def _note_skipped(driver: Driver, run: Run, skipped: pl.DataFrame) -> None:
    """Record which of the file's records were skipped, and why."""
    if skipped.is_empty():
        return
    noted = skipped.select(
        "source_id", reason="outcome", job_id=pl.lit(str(run.job_id)), source_row="_row"
    )
    await copy_rows(driver, (run.tenant_id.schema, import_skips.name), noted.columns, to_csv(noted))


async def _complete(
    connection: AsyncConnection, run: Run, batch: Batch, counts: Counts, span: tuple[UUID, UUID]
) -> None:
    await connection.execute(
        import_chunks.update()
        .where(import_chunks.c.job_id == run.job_id, import_chunks.c.chunk == batch.number)
        .values(**counts.model_dump(), first_id=span[0], last_id=span[1])
    )
