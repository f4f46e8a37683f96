"""An activity that is cancelled may first finish its running work."""

import asyncio

import pytest
from temporalio.testing import ActivityEnvironment

from activities.notification.finishing import finished


class Work:
    """Work that ends when the test lets it; `end` says how it ended."""

    def __init__(self) -> None:
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.end = ""

    async def done(self) -> str:
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise
        self.end = "done"
        return self.end


async def _cancelled(environment: ActivityEnvironment, work: Work, seconds: float) -> None:
    async def activity() -> str:
        return await finished(work.done(), seconds)

    running = asyncio.create_task(environment.run(activity))
    await work.begun.wait()
    environment.cancel()
    asyncio.get_running_loop().call_later(0.05, work.gate.set)
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_running_work_ends_before_the_activity_is_cancelled() -> None:
    work = Work()
    await _cancelled(ActivityEnvironment(), work, 60)
    assert work.end == "done"


async def test_work_that_takes_too_long_is_cancelled() -> None:
    work = Work()
    await _cancelled(ActivityEnvironment(), work, 0.0)
    assert work.end == "cancelled"


async def test_a_worker_that_stops_does_not_wait() -> None:
    environment, work = ActivityEnvironment(), Work()
    environment.worker_shutdown()
    await _cancelled(environment, work, 60)
    assert work.end == "cancelled"


async def test_without_a_cancellation_the_works_result_is_returned() -> None:
    work = Work()
    work.gate.set()
    assert await ActivityEnvironment().run(finished, work.done(), 60) == "done"
