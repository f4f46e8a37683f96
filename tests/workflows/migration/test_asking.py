"""What the API answers to those whose update takes long, or is accepted by no worker."""

import asyncio
from uuid import UUID

import pytest

from api.errors import ApiError
from api.migration import job_workflow
from api.migration.job_workflow import send_update
from domain.migration.job import Phase, Status
from tests.workflows.migration.fake_job import FakeJob, working
from tests.workflows.migration.steering import Steering
from workflows.migration.workflow import MigrationWorkflow


async def test_an_update_that_no_worker_accepts_can_be_repeated_later(
    steer: Steering, job: FakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_workflow, "_PATIENCE", 1.0)
    await steer.start()
    try:
        with pytest.raises(ApiError) as refused:
            await send_update(steer.client, UUID(job.job_id), MigrationWorkflow.cancel)
    finally:
        await steer.stop()
    assert (refused.value.status_code, refused.value.code) == (503, "unavailable")


async def test_an_update_whose_work_takes_long_is_waited_for(
    steer: Steering, job: FakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(steer.client, job):
        await steer.previewed()
        monkeypatch.setattr(job_workflow, "_PATIENCE", 0.5)
        gate = job.hold("validate_records")
        asking = asyncio.create_task(
            send_update(steer.client, UUID(job.job_id), MigrationWorkflow.preview, 2)
        )
        await gate.reached()
        await asyncio.sleep(1.5)
        assert not asking.done()
        gate.opened.set()
        await asking
        await job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
        await steer.stop()
