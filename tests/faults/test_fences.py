"""A late worker cannot write: the batch is claimed, or the run is over."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID
from zlib import crc32

import polars as pl
import pytest

from storage.migration import jobs as migration
from storage.migration.importing.batch_rows import Batch
from storage.migration.importing.ledger import Superseded, Written, proven_account, write_batch
from storage.migration.importing.run import Replacing, Run
from storage.postgres.database import Database
from tests.faults.exports import export
from tests.faults.stack import Ledger, ledger, rows
from tests.service import Tenant


@pytest.fixture
async def database(tenant: Tenant) -> AsyncIterator[Database]:
    database = Database(tenant.service.dsn)
    yield database
    await database.close()


@pytest.fixture
async def run(tenant: Tenant) -> Run:
    """An execution of a job that waits in preview and that no worker works on."""
    job_id: str = (await tenant.upload(export(2))).json()["job"]["id"]
    return Run(tenant.id, UUID(job_id), 0, "incidents", "generic_csv", "", "update", _ALL)


_ALL = Replacing(fields=("title", "status", "priority"))


def batch(run: Run, title: str) -> Batch:
    """Two records as the mapping leaves them."""
    numbers = [1, 2]
    mapped = pl.DataFrame(
        {
            "_row": numbers,
            "source_id": [f"INC{number}" for number in numbers],
            "title": [f"{title} {number}" for number in numbers],
            "status": ["new", "closed"],
            "priority": numbers,
            "custom": ["{}", "{}"],
            "content_hash": [crc32(f"{title} {number}".encode()) for number in numbers],
            "source_system": [run.source_system] * 2,
            "source_instance": [run.source_instance] * 2,
            "migration_job_id": [str(run.job_id)] * 2,
        }
    )
    return Batch.of(0, mapped, mapped, failed=0, is_new=True)


async def test_a_batch_is_written_once(tenant: Tenant, database: Database, run: Run) -> None:
    first = await write_batch(database, run, batch(run, "First"), Written.NEW)
    assert first is Written.NEW
    before = await rows(tenant)
    await write_batch(database, run, batch(run, "Again"), Written.NEW)
    assert await rows(tenant) == before
    assert await ledger(tenant, str(run.job_id)) == Ledger(committed=1, inserted=2, redone=0)


async def test_nothing_is_written_for_a_run_that_is_over(
    tenant: Tenant, database: Database, run: Run
) -> None:
    async with database.tenant(run.tenant_id) as connection:
        epoch = await migration.next_epoch(connection, run.job_id)
    with pytest.raises(Superseded):
        await write_batch(database, run, batch(run, "Late"), Written.NEW)
    assert (await rows(tenant)).rows == 0
    await write_batch(database, replace(run, epoch=epoch), batch(run, "In time"), Written.NEW)
    assert (await rows(tenant)).rows == 2


async def test_nothing_is_written_while_paused(
    tenant: Tenant, database: Database, run: Run
) -> None:
    async with database.tenant(run.tenant_id) as connection:
        await migration.note(connection, run.job_id, status="paused")
    paused = await write_batch(database, run, batch(run, "Paused"), Written.NEW)
    assert paused is Written.PAUSED
    assert (await rows(tenant)).rows == 0


@pytest.mark.parametrize("expected", [Written.NEW, Written.KNOWN])
async def test_what_is_expected_does_not_change_what_is_written(
    tenant: Tenant, database: Database, run: Run, expected: Written
) -> None:
    first = await write_batch(database, run, batch(run, "First"), expected)
    changed = replace(batch(run, "Changed"), number=1)
    again = await write_batch(database, run, changed, expected)
    assert (first, again) == (Written.NEW, Written.KNOWN)
    titles = await tenant.sql("select title from incidents order by source_id")
    assert [row["title"] for row in titles] == ["Changed 1", "Changed 2"]
    counts = "select inserted, updated, skipped from import_chunks order by chunk"
    assert [tuple(row) for row in await tenant.sql(counts)] == [(2, 0, 0), (0, 2, 0)]


async def test_a_batch_waits_for_the_one_before(
    tenant: Tenant, database: Database, run: Run
) -> None:
    """That is gone where a crash of the server took it back."""
    second = replace(batch(run, "Second"), number=1)
    assert await write_batch(database, run, second, Written.NEW) is Written.GAP
    assert (await rows(tenant)).rows == 0
    await write_batch(database, run, batch(run, "First"), Written.NEW)
    assert await write_batch(database, run, second, Written.NEW) is Written.KNOWN
    assert await write_batch(database, run, second, Written.NEW) is Written.NEW  # it is in
    assert (await proven_account(database, run)).missing(4) == [2, 3]


async def test_what_is_gone_is_found_missing(tenant: Tenant, database: Database, run: Run) -> None:
    for number in range(3):
        await write_batch(database, run, replace(batch(run, "Some"), number=number), Written.NEW)
    assert (await proven_account(database, run)).missing(3) == []
    await tenant.run("delete from import_chunks where chunk in (0, 2)")
    assert (await proven_account(database, run)).missing(3) == [0, 2]


async def test_nothing_is_proven_for_a_run_that_is_over(database: Database, run: Run) -> None:
    with pytest.raises(Superseded):
        await proven_account(database, replace(run, epoch=1))
