"""A job's end is proven, whatever its workflow believes."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from domain.failures import Problem
from domain.migration.accounting import LEFT_BEHIND, UNACCOUNTED
from domain.migration.job import Status, Undone
from tests.workflows.migration.fake_job import SUMMARY, FakeJob, working
from tests.workflows.migration.steering import Steering
from workflows.migration.messages import JobRef
from workflows.migration.rollback import RollbackInput, RollbackWorkflow
from workflows.migration.start import start_rollback

TAKEN_BACK = ["undo_import", "clean_up", "close_job"]
SHORT = Problem(code=UNACCOUNTED, detail="9 of 10 batches", expected=10_000, actual=9_000)
LEFT = Problem(code=LEFT_BEHIND, detail="1 batch is still there", actual=1)


@pytest.fixture(autouse=True)
async def workers(steer: Steering) -> AsyncIterator[None]:
    async with working(steer.client, steer.job):
        yield
        await steer.stop()


async def test_a_job_that_is_not_all_there_fails_and_is_taken_back(
    steer: Steering, job: FakeJob
) -> None:
    job.unproven[Status.COMPLETED] = SHORT
    await steer.previewed()
    await steer.execute()
    with pytest.raises(WorkflowFailureError) as raised:
        await steer.result()
    assert isinstance(raised.value.cause, ApplicationError)
    assert raised.value.cause.type == UNACCOUNTED
    assert job.calls[-5:] == ["clean_up", "close_job", *TAKEN_BACK]
    closed = job.asked("close_job")[-1]
    assert (closed.status, closed.problem) == (Status.FAILED, SHORT)
    assert closed.undone == Undone(deleted=3000)
    assert (job.status, job.imported) == (Status.FAILED, 0)


async def test_a_clean_up_with_an_unreadable_result_takes_nothing_back(
    steer: Steering, job: FakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nonsense(_: JobRef) -> str:
        return "nonsense"  # as if an operator had completed it by hand

    monkeypatch.setattr(job, "clean_up", nonsense)
    await steer.previewed()
    await steer.execute()
    assert (await steer.result()).status is Status.COMPLETED
    assert "undo_import" not in job.calls
    assert not job.asked("close_job")[-1].cleaned


async def test_what_is_left_of_a_cancelled_job_is_taken_back_once_more(
    steer: Steering, job: FakeJob
) -> None:
    job.unproven[Status.CANCELLED] = LEFT
    await steer.previewed()
    await steer.cancel()
    assert (await steer.result()).status is Status.CANCELLED
    assert job.calls[-6:] == TAKEN_BACK * 2
    assert job.status is Status.CANCELLED


async def test_what_is_left_of_a_rolled_back_job_is_taken_back_once_more(
    client: Client, job: FakeJob
) -> None:
    job.unproven[Status.ROLLED_BACK] = LEFT
    await start_rollback(client, RollbackInput(job=job.ref), SUMMARY)
    handle = client.get_workflow_handle_for(RollbackWorkflow.run, f"rollback/{job.job_id}")
    assert (await handle.result()).status is Status.ROLLED_BACK
    assert job.calls == TAKEN_BACK * 2


async def test_an_incomplete_job_may_also_be_left_behind_at_first(
    steer: Steering, job: FakeJob
) -> None:
    job.unproven |= {Status.COMPLETED: SHORT, Status.FAILED: LEFT}
    await steer.previewed()
    await steer.execute()
    with pytest.raises(WorkflowFailureError):
        await steer.result()
    assert job.calls[-6:] == TAKEN_BACK * 2
    assert job.status is Status.FAILED
