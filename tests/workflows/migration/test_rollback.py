"""Taking back a job whose own workflow has ended, and the sweep that finds such jobs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from activities.errors import non_retryable
from domain.failures import Problem
from domain.migration.job import Phase, Status, Undone
from tests.workflows.migration.fake_job import SUMMARY, FakeJob, working
from workflows import sweep as m
from workflows.attributes import JOB_KIND, PHASE, TENANT_ID
from workflows.migration.ending import Ended
from workflows.migration.rollback import RollbackInput, RollbackWorkflow
from workflows.migration.start import start_rollback
from workflows.reaper import ReaperWorkflow
from workflows.schedule import REAPER, ensure_schedule
from workflows.step import ORCHESTRATE

TAKEN_BACK = ["undo_import", "clean_up", "close_job"]


@pytest.fixture
def job() -> FakeJob:
    return FakeJob(imported=2)


@pytest.fixture(autouse=True)
async def workers(client: Client, job: FakeJob) -> AsyncIterator[None]:
    async with working(client, job):
        yield


async def rollback(
    client: Client, job: FakeJob, **input: object
) -> WorkflowHandle[RollbackWorkflow, Ended]:
    wanted = RollbackInput.model_validate({"job": job.ref, **input})
    await start_rollback(client, wanted, SUMMARY)
    return client.get_workflow_handle_for(RollbackWorkflow.run, f"rollback/{job.job_id}")


async def test_it_undoes_cleans_up_and_closes(client: Client, job: FakeJob) -> None:
    ended = await (await rollback(client, job)).result()
    assert (ended.status, ended.undone) == (Status.ROLLED_BACK, Undone(deleted=2000))
    assert job.calls == TAKEN_BACK
    assert job.asked("close_job")[0].status is Status.ROLLED_BACK


async def test_a_terminated_job_ends_as_failed_and_says_why(client: Client, job: FakeJob) -> None:
    problem = Problem(code="terminated", detail="somebody ended the job's workflow in Temporal")
    await (await rollback(client, job, status=Status.FAILED, problem=problem)).result()
    closed = job.asked("close_job")[0]
    assert (closed.status, closed.problem) == (Status.FAILED, problem)


async def test_a_clean_up_that_fails_is_a_warning(client: Client, job: FakeJob) -> None:
    job.failures["clean_up"] = non_retryable(Problem(code="storage", detail="the store is down"))
    await (await rollback(client, job)).result()
    assert job.asked("close_job")[0].cleaned is False
    assert job.status is Status.ROLLED_BACK


async def test_it_runs_once_at_a_time(client: Client, job: FakeJob) -> None:
    gate = job.hold("undo_import")
    running = await rollback(client, job)
    await gate.reached()
    with pytest.raises(WorkflowAlreadyStartedError):
        await rollback(client, job)
    gate.opened.set()
    await running.result()
    await (await rollback(client, job)).result()  # whether anything is left, the row says
    assert job.status is Status.ROLLED_BACK


async def test_cancelling_it_from_outside_does_nothing(client: Client, job: FakeJob) -> None:
    gate = job.hold("undo_import")
    running = await rollback(client, job)
    await gate.reached()
    await running.cancel()
    gate.opened.set()
    assert (await running.result()).status is Status.ROLLED_BACK
    assert job.calls == TAKEN_BACK


async def test_after_a_failure_it_can_be_done_again(client: Client, job: FakeJob) -> None:
    job.failures["undo_import"] = ApplicationError("not now", non_retryable=True)
    with pytest.raises(WorkflowFailureError):
        await (await rollback(client, job)).result()
    del job.failures["undo_import"]
    await (await rollback(client, job)).result()
    assert job.status is Status.ROLLED_BACK


async def test_operators_find_it(client: Client, job: FakeJob) -> None:
    handle = await rollback(client, job)
    await handle.result()
    found = (await handle.describe()).typed_search_attributes
    assert found[TENANT_ID] == job.tenant_id
    assert (found[JOB_KIND], found[PHASE]) == ("rollback", Phase.DONE)


async def test_a_sweep_reports_what_it_did(client: Client) -> None:
    reaped = await client.execute_workflow(
        ReaperWorkflow.run, m.ReapInput(grace_seconds=0), id=str(uuid4()), task_queue=ORCHESTRATE
    )
    assert reaped == m.Reaped(started=1)


async def test_the_schedule_is_made_once_and_brought_up_to_date(client: Client) -> None:
    await ensure_schedule(client)
    schedule = client.get_schedule_handle(REAPER)
    await schedule.pause(note="an operator's wish")
    await ensure_schedule(client)
    description = await schedule.describe()
    assert description.schedule.state.paused
    assert description.schedule.policy.catchup_window == timedelta(minutes=1)
    await schedule.delete()
