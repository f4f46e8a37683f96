"""A migration's workflow over runs, evictions and days."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain.migration.job import Counts, Phase, Status
from tests.workflows.migration.fake_job import PATIENCE, SEGMENT, FakeJob, working
from tests.workflows.migration.steering import WEEK, Steering, refusal
from workflows.attributes import PHASE, TENANT_ID
from workflows.migration.start import migration_id
from workflows.migration.workflow import MigrationInput, MigrationWorkflow
from workflows.step import ORCHESTRATE

BATCHES = 10 * SEGMENT + 5


async def runs_of(steer: Steering) -> list[list[str]]:
    """The event types of every run of the workflow, the first run first."""
    runs = [await steer.handle.fetch_history()]
    while earlier := runs[0].events[0].workflow_execution_started_event_attributes:
        if not earlier.continued_execution_run_id:
            break
        id = steer.handle.id
        handle = steer.client.get_workflow_handle(id, run_id=earlier.continued_execution_run_id)
        runs.insert(0, await handle.fetch_history())
    return [[str(event.WhichOneof("attributes")) for event in run.events] for run in runs]


async def continued(steer: Steering) -> None:
    """Wait until the workflow goes on as another run."""
    async with asyncio.timeout(PATIENCE):
        while len(await runs_of(steer)) == 1:
            await steer.handle.query(MigrationWorkflow.phase)


class TestContinuingAsNew:
    @pytest.fixture
    async def brief(self, brief_client: Client) -> AsyncIterator[Steering]:
        steer = Steering(brief_client, FakeJob(batches=BATCHES))
        async with working(brief_client, steer.job):
            yield steer
            await steer.stop()

    async def test_an_import_goes_on_where_it_was(self, brief: Steering) -> None:
        await brief.previewed()
        await brief.execute(continue_on_error=True, revision=4)
        ended = await brief.result()
        assert (ended.status, ended.counts) == (Status.COMPLETED, Counts(inserted=BATCHES * 1000))
        assert len(await runs_of(brief)) > 2
        segments = brief.job.asked("import_segment")
        assert [each.first for each in segments] == list(range(0, BATCHES, SEGMENT))
        assert {(each.epoch, each.revision) for each in segments} == {(1, 4)}
        assert all(each.options.continue_on_error for each in segments)
        assert brief.job.calls.count("begin_import") == 1

    async def test_a_pause_is_carried_over(self, brief: Steering) -> None:
        await brief.previewed()
        gate = brief.job.hold("import_segment")
        await brief.execute()
        await gate.reached()
        await brief.pause()
        gate.opened.set()
        await continued(brief)
        assert await refusal(brief.pause()) == "the job is paused; it can be resumed or cancelled"
        assert brief.job.imported == 0
        await brief.resume()
        assert (await brief.result()).counts == Counts(inserted=BATCHES * 1000)

    async def test_cancelling_a_later_run_takes_everything_back(self, brief: Steering) -> None:
        await brief.previewed()
        gate = brief.job.hold("import_segment")
        await brief.execute()
        await gate.reached()
        await brief.pause()
        gate.opened.set()
        await continued(brief)
        await brief.cancel()
        assert (await brief.result()).status is Status.CANCELLED
        assert brief.job.calls[-3:] == ["undo_import", "clean_up", "close_job"]

    async def test_so_do_previews_without_number(self, brief: Steering) -> None:
        await brief.previewed()
        for revision in range(2, 8):
            await brief.preview(revision)
            await brief.job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
        assert len(await runs_of(brief)) > 1
        assert brief.job.calls.count("parse_upload") == 1
        await brief.execute()
        assert (await brief.result()).status is Status.COMPLETED
        assert brief.job.asked("begin_import")[0].revision == 7

    async def test_operators_find_the_later_runs(self, brief: Steering) -> None:
        await brief.previewed()
        await brief.execute()
        await brief.result()
        description = await brief.handle.describe()
        assert description.typed_search_attributes[TENANT_ID] == brief.job.tenant_id
        assert description.typed_search_attributes[PHASE] == Phase.DONE


class TestExpiry:
    @pytest.fixture
    async def later(self, skipping: WorkflowEnvironment) -> AsyncIterator[Steering]:
        steer = Steering(skipping.client, FakeJob())
        async with working(skipping.client, steer.job):
            yield steer
            await steer.stop()

    async def test_a_preview_expires(self, later: Steering, skipping: WorkflowEnvironment) -> None:
        await later.previewed()
        await skipping.sleep(timedelta(days=8))
        failure = await later.failure()
        assert isinstance(failure, ApplicationError)
        assert failure.type == "expired"
        assert later.job.calls[-3:] == ["undo_import", "clean_up", "close_job"]
        assert later.job.asked("close_job")[0].problem.code == "expired"

    async def test_going_on_with_it_begins_the_time_anew(
        self, later: Steering, skipping: WorkflowEnvironment
    ) -> None:
        await later.previewed()
        await skipping.sleep(timedelta(days=6))
        await later.preview(2)
        await skipping.sleep(timedelta(days=6))
        await later.execute()
        assert (await later.result()).status is Status.COMPLETED

    async def test_so_does_a_paused_import(
        self, later: Steering, skipping: WorkflowEnvironment
    ) -> None:
        await later.previewed()
        gate = later.job.hold("import_segment")
        await later.execute()
        await gate.reached()
        await later.pause()
        gate.opened.set()
        await skipping.sleep(timedelta(days=8))
        await later.failure()
        assert later.job.asked("close_job")[0].problem.code == "expired"
        assert later.job.imported == 0


async def test_a_workflow_that_is_evicted_after_every_task_goes_on(client: Client) -> None:
    """As under memory pressure: the workflow needs no state outside its history."""
    steer = Steering(client, FakeJob(batches=BATCHES))
    async with working(client, steer.job, max_cached_workflows=0):
        await steer.previewed()
        await steer.preview(2)
        gate = steer.job.hold("import_segment")
        await steer.job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
        await steer.execute()
        await gate.reached()
        await steer.pause()
        gate.opened.set()
        await steer.resume()
        assert (await steer.result()).counts == Counts(inserted=BATCHES * 1000)


async def test_an_update_can_come_with_the_very_first_task(client: Client) -> None:
    steer = Steering(client, FakeJob())
    start = WithStartWorkflowOperation(
        MigrationWorkflow.run,
        MigrationInput(job=steer.job.ref, ttl_seconds=WEEK),
        id=migration_id(steer.job.job_id),
        task_queue=ORCHESTRATE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    async with working(client, steer.job):
        await client.execute_update_with_start_workflow(
            MigrationWorkflow.cancel, start_workflow_operation=start
        )
        assert (await steer.result()).status is Status.CANCELLED
    assert steer.job.calls == ["undo_import", "clean_up", "close_job"]
