"""An operator with the Temporal UI before the reaper's schedule."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import ScheduleBackfill, ScheduleHandle, ScheduleOverlapPolicy

from tests.operating import imports as i
from tests.operating.imports import World
from tests.operating.operator import Operator
from tests.service import Tenant
from workflows.migration.start import migration_id
from workflows.schedule import REAPER, ensure_schedule


@pytest.fixture
async def schedule(operated: World) -> AsyncIterator[ScheduleHandle]:
    """The reaper's, paused by an operator."""
    await ensure_schedule(operated.client)
    handle = operated.client.get_schedule_handle(REAPER)
    await handle.pause()
    yield handle
    await handle.delete()


@pytest.fixture
async def tenant(operated: World) -> AsyncIterator[Tenant]:
    made = await operated.tenant()
    yield made
    await operated.forget(made)


async def _forsaken(world: World, tenant: Tenant) -> str:
    """A job whose workflow was terminated an hour ago."""
    job_id: str = (await tenant.upload(i.EXPORT)).json()["job"]["id"]
    await Operator(world.client, migration_id(job_id)).terminate()
    aged = "update public.migration_jobs set created_at = now() - '1 h'::interval where id = $1"
    await tenant.sql(aged, job_id)
    return job_id


async def test_triggered_it_sweeps_also_while_it_is_paused(
    operated: World, schedule: ScheduleHandle, tenant: Tenant
) -> None:
    job_id = await _forsaken(operated, tenant)
    await schedule.trigger()
    job = await tenant.settled(job_id)
    assert (job["status"], job["failure"]["code"]) == ("failed", "terminated")


async def test_backfilled_it_sweeps_side_by_side_and_mends_once(
    operated: World, schedule: ScheduleHandle, tenant: Tenant
) -> None:
    jobs = [await _forsaken(operated, tenant) for _ in range(3)]
    now = datetime.now(UTC)
    at_once = ScheduleOverlapPolicy.ALLOW_ALL
    await schedule.backfill(ScheduleBackfill(now - timedelta(minutes=5), now, overlap=at_once))
    ended = [await tenant.settled(job_id) for job_id in jobs]
    assert [each["failure"]["code"] for each in ended] == ["terminated"] * 3
    async with asyncio.timeout(30):
        while len((await schedule.describe()).info.recent_actions) < 5:
            await asyncio.sleep(0.05)
    assert tenant.stored_files() == []


async def test_deleted_it_comes_back_with_a_worker(
    operated: World, schedule: ScheduleHandle
) -> None:
    await schedule.delete()
    await ensure_schedule(operated.client)
    assert not (await schedule.describe()).schedule.state.paused
