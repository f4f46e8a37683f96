"""A job is `completed` only if rows, ledger and counts are the same; else it says so, and nothing
of it stays."""

import asyncio
import shutil
from typing import Any

import pytest

from tests.api.once import once
from tests.faults.crash import verdict
from tests.faults.exports import export
from tests.faults.stack import rows
from tests.service import Tenant

BATCH = 1_000
ROWS = 25_000
FILE = export(ROWS, "Lift stands still")
_HALF = ROWS // 2
TWICE = export(_HALF, "Old") + export(_HALF, "New").partition(b"\n")[2]

# A batch that is gone with its rows, as a crash, a lagging standby or a backup takes it.
TAKE = (
    "delete from incidents using import_chunks c where id between c.first_id and c.last_id"
    " and c.job_id = '{job}' and c.chunk {which};"
    "delete from import_chunks where job_id = '{job}' and chunk {which}"
)


async def paused(tenant: Tenant, content: bytes, **options: Any) -> tuple[str, int]:
    """A job that is paused with some of its batches in: its id, and how many they are."""
    job_id: str = (await tenant.upload(content)).json()["job"]["id"]
    return job_id, await paused_in(tenant, job_id, **options)


async def paused_in(tenant: Tenant, job_id: str, **options: Any) -> int:
    """Execute the job, and pause it with some of its batches in: how many they are."""
    options = {"batchSize": BATCH, **options}
    assert (await tenant.post(f"/v1/migration/{job_id}/execute", options)).status_code == 202
    async with asyncio.timeout(60):
        while (await tenant.job(job_id))["processedRecords"] < 3 * BATCH:
            await asyncio.sleep(0.01)
    response = await tenant.post(f"/v1/migration/{job_id}/pause")
    assert response.status_code == 202, response.text
    return await quiet(tenant, job_id)


async def quiet(tenant: Tenant, job_id: str) -> int:
    """The batches of a paused job once its worker has seen that it is paused."""
    query = "select count(committed_at) from import_chunks where job_id = $1"
    [[before]] = await tenant.sql(query, job_id)
    # Whoever holds the job's lock is done with its batch, and finds the pause before the next.
    await tenant.run(f"update public.migration_jobs set epoch = epoch where id = '{job_id}'")
    [[now]] = await tenant.sql(query, job_id)
    assert now - before <= 1
    count: int = now
    return count


async def resumed(tenant: Tenant, job_id: str) -> dict[str, Any]:
    assert (await tenant.post(f"/v1/migration/{job_id}/resume")).status_code == 202
    return await tenant.settled(job_id)


async def assert_whole(tenant: Tenant, job: dict[str, Any]) -> None:
    found = await verdict(tenant, job)
    assert (found.status, found.agrees) == ("completed", True), found


async def assert_taken_back(tenant: Tenant, job: dict[str, Any]) -> dict[str, Any]:
    """The job failed with the named invariant, and left neither rows nor files; its failure."""
    assert (job["status"], job["failure"]["code"]) == ("failed", "records_unaccounted"), job
    assert (await rows(tenant)).rows == 0
    assert tenant.stored_files() == []
    failure: dict[str, Any] = job["failure"]
    return failure


class TestWhatIsMissing:
    @pytest.mark.parametrize("which", ["> 1", "= 2", ">= 0"])
    async def test_is_imported_again_although_its_segment_is_over(
        self, tenant: Tenant, which: str
    ) -> None:
        job_id, _ = await paused(tenant, FILE)
        await tenant.run(TAKE.format(job=job_id, which=which))
        job = await resumed(tenant, job_id)
        await assert_whole(tenant, job)
        assert job["successfulRecords"] == (await rows(tenant)).ids == ROWS

    async def test_is_imported_in_order_where_that_decides(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, TWICE, updateExisting=True)
        await tenant.run(TAKE.format(job=job_id, which="> 0"))
        await assert_whole(tenant, await resumed(tenant, job_id))
        titles = await tenant.sql("select distinct split_part(title, ' ', 1) from incidents")
        assert [row[0] for row in titles] == ["New"]

    async def test_fails_the_job_where_its_turn_is_over(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, TWICE, updateExisting=True)
        await tenant.run(TAKE.format(job=job_id, which="= 1"))
        failure = await assert_taken_back(tenant, await resumed(tenant, job_id))
        assert "batch 2 " in failure["detail"]

    async def test_after_the_account_it_fails_the_job(self, tenant: Tenant) -> None:
        """By then the file has been deleted."""
        job_id, _ = await paused(tenant, FILE)
        take = TAKE.format(job=job_id, which="= 0")
        async with once(tenant, job_id, "cleaning_up", take):
            failure = await assert_taken_back(tenant, await resumed(tenant, job_id))
        assert (failure["expected"], failure["actual"]) == (ROWS, ROWS - BATCH)
        assert f"{ROWS - BATCH:,} inserted" in failure["detail"]


class TestCountsThatDoNotAddUp:
    @pytest.mark.parametrize(
        "change",
        [
            "inserted = inserted - 1",
            "skipped = skipped + 1",
            "failed = failed + 1, inserted = inserted - 2",
            "undone_at = now()",
        ],
    )
    async def test_in_the_ledger(self, tenant: Tenant, change: str) -> None:
        job_id, _ = await paused(tenant, FILE)
        where = f"where job_id = '{job_id}' and chunk = 1"
        await tenant.run(f"update import_chunks set {change} {where}")
        job = await resumed(tenant, job_id)
        assert (job["status"], job["failure"]["code"]) == ("failed", "records_unaccounted")
        assert job["failure"]["expected"] == ROWS != job["failure"]["actual"]

    async def test_in_the_file(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, FILE)
        more = f"update public.migration_jobs set total_records = 25001 where id = '{job_id}'"
        await tenant.run(more)
        failure = await assert_taken_back(tenant, await resumed(tenant, job_id))
        assert (failure["expected"], failure["actual"]) == (25_001, ROWS)

    async def test_a_batch_that_the_run_does_not_have(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, FILE)
        more = "insert into import_chunks (job_id, chunk, committed_at)"
        await tenant.run(f"{more} values ('{job_id}', 999, now())")
        await assert_taken_back(tenant, await resumed(tenant, job_id))

    async def test_in_the_chunks(self, tenant: Tenant) -> None:
        """A stored chunk differs from the one that parsing wrote: the preview notices."""
        job_id = (await tenant.upload(FILE)).json()["job"]["id"]
        chunks = sorted(path for path in tenant.stored_files() if path.suffix == ".arrow")
        shutil.copy(chunks[2], chunks[0])  # 5,000 records in place of 10,000
        mapping = {"fieldMappings": [{"sourceField": "title", "targetField": "title"}]}
        await tenant.post(f"/v1/migration/{job_id}/preview", {"mapping": mapping})
        failure = await assert_taken_back(tenant, await tenant.settled(job_id))
        assert (failure["expected"], failure["actual"]) == (ROWS, ROWS - 5_000)

    async def test_a_run_that_began_before_batches_were_counted(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, FILE)
        await tenant.run(f"update public.migration_jobs set batches = null where id = '{job_id}'")
        await assert_whole(tenant, await resumed(tenant, job_id))


class TestWhatIsTakenBack:
    @pytest.mark.parametrize("end", ["cancel", "rollback"])
    async def test_is_taken_back_again_if_that_was_lost(self, tenant: Tenant, end: str) -> None:
        """A standby that took over had not received the undo of one batch."""
        job_id, _ = await paused(tenant, FILE)
        if end == "rollback":
            await resumed(tenant, job_id)
        again = (
            f"update import_chunks set undone_at = null where job_id = '{job_id}' and chunk = 2;"
            "insert into incidents (id, title, status, priority, migration_job_id)"
            f" select first_id, 'back', 'new', 1, '{job_id}' from import_chunks where chunk = 2"
        )
        async with once(tenant, job_id, "cleaning_up", again):
            if end == "cancel":
                await tenant.post(f"/v1/migration/{job_id}/cancel")
                wanted = "cancelled"
            else:
                await tenant.service.http.delete(
                    f"/v1/migration/{job_id}/rollback", headers=tenant.headers
                )
                wanted = "rolled_back"
            async with asyncio.timeout(60):
                while (job := await tenant.job(job_id))["status"] != wanted:
                    await asyncio.sleep(0.01)
        assert (await rows(tenant)).rows == 0
        assert job["processedRecords"] == 0

    async def test_what_somebody_deleted_meanwhile_is_said(self, tenant: Tenant) -> None:
        job_id, batches = await paused(tenant, FILE)
        await tenant.run("delete from incidents where source_id in ('INC0000001', 'INC0000007')")
        await tenant.post(f"/v1/migration/{job_id}/cancel")
        job = await tenant.settled(job_id)
        written = batches * BATCH
        assert job["report"]["undone"]["deleted"] == written - 2
        assert f"written {written:,} records" in job["warnings"][-1]
        assert f"found {written - 2:,}" in job["warnings"][-1]

    async def test_replaced_records_are_counted_as_well(self, tenant: Tenant) -> None:
        await tenant.migrate(FILE)
        job_id, _ = await paused(tenant, export(ROWS, "Lift runs"), updateExisting=True)
        await tenant.post(f"/v1/migration/{job_id}/cancel")
        job = await tenant.settled(job_id)
        assert job["report"]["undone"]["restored"] > 0
        assert job["warnings"] == []
