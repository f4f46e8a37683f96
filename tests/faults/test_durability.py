"""PostgreSQL forgets what it had not flushed: a job is complete only with every row of it.

The server's own log writer is slowed down here: a crash then takes back what it otherwise takes
back only within 0.2 seconds of a commit.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from benchmarks.durability import Campaign, Outcome
from tests.faults.crash import (
    Watch,
    batches_in,
    crashed,
    forget_longer,
    idle,
    standing_still,
    verdict,
    watching,
)
from tests.faults.exports import export
from tests.faults.stack import Rows, Stack, ended, rows, running, started
from tests.service import Tenant
from tests.until import until

ROWS, BATCH = 40_000, 500
BATCHES = ROWS // BATCH
FILE = export(ROWS, "Tap drips")
# Every id comes twice, far apart: which record wins depends on the order of batches.
TWICE = export(ROWS // 2, "Old") + export(ROWS // 2, "New").partition(b"\n")[2]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running(tmp_path_factory.mktemp("durability"), storage="s3") as stack:
        await forget_longer(stack)
        yield stack


@pytest.fixture
async def victim(stack: Stack) -> Tenant:
    await stack.answering()
    return await stack.tenant()


async def holds(victim: Tenant, job_id: str) -> dict[str, Any]:
    """The job, once it is completed with every row of the file."""
    job = await ended(victim, job_id)
    found = await verdict(victim, job)
    assert (found.status, found.agrees) == ("completed", True), found
    assert found.total == ROWS
    return job


async def forgotten(watch: Watch, stack: Stack, victim: Tenant, *stopped: Any) -> int:
    """Crash PostgreSQL while these stand still; how many committed batches it took back."""
    async with idle(stack, watch, stopped):
        before = await watch.batches()
        await crashed(stack, "kill")
        return before - await batches_in(victim, watch.job_id)


async def test_batches_lost_while_the_object_store_hangs_are_imported_again(
    stack: Stack, victim: Tenant
) -> None:
    job_id = await started(victim, FILE, batchSize=BATCH)
    async with watching(victim, job_id) as watch:
        await watch.reaches(3)
        assert await forgotten(watch, stack, victim, "s3") > 0
    await holds(victim, job_id)


@pytest.mark.campaign
async def test_the_worker_stands_still_across_two_restarts_of_a_segment(
    stack: Stack, victim: Tenant
) -> None:
    job_id = await started(victim, FILE, batchSize=BATCH)
    lost = []
    for batch in (7, BATCHES // 2):
        async with watching(victim, job_id) as watch:
            await watch.reaches(batch)
            lost.append(await forgotten(watch, stack, victim, "worker"))
    assert min(lost) > 0
    await holds(victim, job_id)


@pytest.mark.campaign
async def test_it_restarts_twice_while_nobody_looks(stack: Stack, victim: Tenant) -> None:
    job_id = await started(victim, FILE, batchSize=BATCH)
    async with watching(victim, job_id) as watch:
        await watch.reaches(20)
        async with idle(stack, watch, ("worker", "s3")):
            before = await watch.batches()
            await crashed(stack, "immediate")
            await crashed(stack, "kill")
            assert await batches_in(victim, job_id) < before
    await holds(victim, job_id)


@pytest.mark.campaign
@pytest.mark.parametrize("update", [False, True])
async def test_of_records_with_one_id_the_same_wins(
    stack: Stack, victim: Tenant, update: bool
) -> None:
    undisturbed = await stack.tenant()
    first = await started(undisturbed, TWICE, batchSize=BATCH, updateExisting=update)
    await ended(undisturbed, first)
    job_id = await started(victim, TWICE, batchSize=BATCH, updateExisting=update)
    async with watching(victim, job_id) as watch:
        await watch.reaches(BATCHES // 2)
        assert await forgotten(watch, stack, victim, "worker") > 0
    await holds(victim, job_id)
    assert await titles(victim) == await titles(undisturbed)


async def titles(tenant: Tenant) -> tuple[Rows, str]:
    [found] = await tenant.sql(
        "select md5(string_agg(title, ',' order by source_id)) from incidents"
    )
    return await rows(tenant), found["md5"]


@pytest.mark.campaign
@pytest.mark.parametrize("phase", ["importing", "cleaning_up"])
async def test_it_dies_after_the_last_batch(stack: Stack, victim: Tenant, phase: str) -> None:
    """Around the flush that ends the segment, and between that and the job's end."""
    job_id = await started(victim, FILE, batchSize=BATCH)
    async with watching(victim, job_id) as watch:
        await watch.reaches(BATCHES)
        await until(in_phase(watch, phase, "done"))
        with standing_still(stack, ("worker",)):
            await crashed(stack, "kill")
    job = await holds(victim, job_id)
    assert (job["processedRecords"], job["status"]) == (ROWS, "completed")


@pytest.mark.campaign
async def test_it_dies_while_a_job_is_taken_back(stack: Stack, victim: Tenant) -> None:
    job_id = await started(victim, FILE, batchSize=BATCH)
    async with watching(victim, job_id) as watch:
        await watch.reaches(BATCHES // 2)
        assert (await victim.post(f"/v1/migration/{job_id}/cancel")).status_code == 202
        await until(has_undone(watch, 3))
        with standing_still(stack, ("worker",)):
            await crashed(stack, "immediate")
    job = await ended(victim, job_id)
    [[inserted]] = await victim.sql("select sum(inserted)::int from import_chunks")
    assert (job["status"], (await rows(victim)).rows) == ("cancelled", 0)
    assert job["report"]["undone"] == {"deleted": inserted, "restored": 0, "kept": 0}
    assert (
        await victim.sql("select from import_chunks where undone_at is null and inserted > 0") == []
    )


@pytest.mark.campaign
async def test_it_dies_while_a_job_is_paused(stack: Stack, victim: Tenant) -> None:
    job_id = await started(victim, FILE, batchSize=BATCH)
    async with watching(victim, job_id) as watch:
        await watch.reaches(10)
        assert (await victim.post(f"/v1/migration/{job_id}/pause")).status_code == 202
        await watch.comes_to_rest()
        told = await watch.batches()
        await crashed(stack, "kill")
    await stack.answering()
    assert (await victim.job(job_id))["status"] == "paused"
    assert await batches_in(victim, job_id) == told < BATCHES
    assert (await victim.post(f"/v1/migration/{job_id}/resume")).status_code == 202
    await holds(victim, job_id)


@pytest.mark.campaign
async def test_nothing_is_lost_at_instants_drawn_by_lot(stack: Stack) -> None:
    """A short one of benchmarks/durability.py."""
    campaign = Campaign(stack, random.Random(20_261_127), Outcome())
    await campaign.run(4)
    assert campaign.outcome.is_clean, campaign.outcome.summary()
    assert len(campaign.outcome.kills) == 4


def in_phase(watch: Watch, *phases: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        query = "select phase from public.migration_jobs where id = $1"
        return await watch.connection.fetchval(query, watch.job_id) in phases

    return check


def has_undone(watch: Watch, batches: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        query = f"select count(undone_at) from {watch.schema}.import_chunks where job_id = $1"
        undone: int = await watch.connection.fetchval(query, watch.job_id)
        return undone >= batches

    return check
