"""A migration's workflow: the order of its steps, and requests during each of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from activities.errors import non_retryable
from domain.failures import Problem
from domain.migration.job import Counts, Phase, Status, Undone
from tests.workflows.migration.fake_job import SEGMENT, FakeJob, working
from tests.workflows.migration.steering import Steering, refusal
from workflows.attributes import PHASE, TENANT_ID
from workflows.migration.workflow import MigrationWorkflow

PREVIEW = ["inspect_upload", "parse_upload", "validate_records", "set_state"]
TAKEN_BACK = ["undo_import", "clean_up", "close_job"]
DAMAGED = Problem(code="csv_unclosed_quote", detail="a quote is not closed", line=7)


@pytest.fixture(autouse=True)
async def workers(steer: Steering) -> AsyncIterator[None]:
    async with working(steer.client, steer.job):
        yield
        await steer.stop()


class TestTheWayThrough:
    async def test_steps_come_in_order(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        await steer.execute()
        ended = await steer.result()
        execute = ["set_state", "validate_records", "begin_import", "import_segment"]
        assert job.calls == [*PREVIEW, *execute, "clean_up", "close_job"]
        assert (ended.status, ended.counts) == (Status.COMPLETED, Counts(inserted=3000))
        assert (job.status, job.asked("close_job")[0].cleaned) == (Status.COMPLETED, True)

    async def test_what_the_first_steps_find_is_handed_on(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        await steer.execute(continue_on_error=True)
        await steer.result()
        assert job.asked("parse_upload")[0].etag == "etag"
        first, second = job.asked("validate_records")
        assert (first.revision, first.options) == (0, None)
        assert (second.revision, second.options.continue_on_error) == (1, True)
        assert job.asked("import_segment")[0].epoch == job.epoch == 1

    async def test_an_import_goes_on_segment_by_segment(
        self, steer: Steering, job: FakeJob
    ) -> None:
        job.batches = 2 * SEGMENT + 5
        await steer.previewed()
        await steer.execute()
        await steer.result()
        segments = [(each.first, each.stop) for each in job.asked("import_segment")]
        assert segments == [
            (0, SEGMENT),
            (SEGMENT, 2 * SEGMENT),
            (2 * SEGMENT, 2 * SEGMENT + 5),
        ]

    async def test_a_file_without_records_completes(self, steer: Steering, job: FakeJob) -> None:
        job.batches = 0
        await steer.previewed()
        await steer.execute()
        assert (await steer.result()).status is Status.COMPLETED
        assert "import_segment" not in job.calls

    async def test_a_clean_up_that_fails_is_a_warning(self, steer: Steering, job: FakeJob) -> None:
        job.failures["clean_up"] = non_retryable(
            Problem(code="storage", detail="the store is down")
        )
        await steer.previewed()
        await steer.execute()
        assert (await steer.result()).status is Status.COMPLETED
        assert job.asked("close_job")[0].cleaned is False

    async def test_starting_it_twice_is_one_run(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        await steer.start()
        await steer.cancel()
        await steer.result()
        assert job.calls.count("parse_upload") == 1


class TestAgreeing:
    async def test_previews_as_often_as_wanted(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        await steer.preview(2)
        await steer.preview(3)
        await steer.execute()
        await steer.result()
        assert [each.revision for each in job.asked("validate_records")] == [0, 2, 3, 3]
        assert job.asked("import_segment")[0].revision == 3

    async def test_a_preview_is_over_when_its_update_is(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        gate = job.hold("validate_records")
        asked = asyncio.create_task(steer.preview(2))
        await gate.reached()
        assert not asked.done()
        gate.opened.set()
        await asked
        assert job.asked("validate_records")[-1].revision == 2

    async def test_an_execution_can_bring_its_own_revision(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        await steer.execute(revision=5)
        await steer.result()
        assert job.asked("begin_import")[0].revision == 5

    async def test_failed_validation_goes_back_to_preview(
        self, steer: Steering, job: FakeJob
    ) -> None:
        job.accepted = False
        await steer.previewed()
        await steer.execute()
        await job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
        assert "begin_import" not in job.calls
        job.accepted = True
        await steer.execute(revision=2)
        assert (await steer.result()).status is Status.COMPLETED

    async def test_a_dry_run_goes_back_to_preview(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        await steer.execute(dry_run=True)
        await job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
        assert job.asked("validate_records")[-1].options.dry_run
        assert "begin_import" not in job.calls

    async def test_a_dry_run_can_come_with_the_upload(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed(dry_run=True)
        assert job.asked("validate_records")[0].options.dry_run

    async def test_when_the_row_says_preview_an_execution_is_taken(
        self, steer: Steering, job: FakeJob
    ) -> None:
        """This holds at once: the row never runs ahead of the workflow."""
        gate = job.hold("set_state")
        await steer.start()
        await gate.reached()
        executing = asyncio.create_task(steer.execute())
        await steer.handle.query(MigrationWorkflow.phase)
        gate.opened.set()
        await executing
        assert (await steer.result()).status is Status.COMPLETED

    async def test_of_two_at_once_one_is_taken(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        asked = await asyncio.gather(
            *(steer.execute() for _ in range(4)), steer.preview(2), return_exceptions=True
        )
        assert sum(each is None for each in asked) == 1
        if asked[-1] is None:  # it was the preview
            await steer.execute()
        await steer.result()
        assert job.calls.count("begin_import") == 1

    @pytest.mark.parametrize("step", ["parse_upload", "validate_records"])
    async def test_nothing_is_executed_too_early(
        self, steer: Steering, job: FakeJob, step: str
    ) -> None:
        gate = job.hold(step)
        await steer.start()
        await gate.reached()
        assert await refusal(steer.execute()) == "the job is parsing"
        assert await refusal(steer.preview(2)) == "the job is parsing"
        assert await refusal(steer.pause()) == "the job is parsing"
        assert await refusal(steer.resume()) == "the job is parsing"

    async def test_nothing_is_executed_twice(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        gate = job.hold("import_segment")
        await steer.execute()
        await gate.reached()
        assert await refusal(steer.execute()) == "the job is importing"
        assert await refusal(steer.preview(2)) == "the job is importing"
        gate.opened.set()
        await steer.result()


class TestPause:
    async def test_it_stands_still_until_it_is_resumed(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        gate = job.hold("import_segment")
        await steer.execute()
        await gate.reached()
        await steer.pause()
        assert (job.status, job.phase) == (Status.PAUSED, Phase.IMPORTING)
        gate.opened.set()
        assert await refusal(steer.pause()) == "the job is paused; it can be resumed or cancelled"
        assert await refusal(steer.execute()) == "the job is paused; it can be resumed or cancelled"
        assert job.imported == 0
        await steer.resume()
        assert job.status is Status.PROCESSING
        assert (await steer.result()).counts == Counts(inserted=3000)
        # Once until the pause and once after it; on a busy machine a heartbeat may be missed.
        asked = [each.first for each in job.asked("import_segment")]
        assert (len(asked) >= 2, {*asked}) == (True, {0})

    async def test_the_row_keeps_the_pause_that_came_while_the_import_opened(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        gate = job.hold("begin_import", heartbeats=False)
        await steer.execute()
        await gate.reached()
        pausing = asyncio.create_task(steer.pause())
        await steer.handle.query(MigrationWorkflow.phase)
        gate.opened.set()
        await pausing
        assert job.status is Status.PAUSED
        await steer.resume()
        assert (await steer.result()).status is Status.COMPLETED

    async def test_pausing_and_resuming_at_once_ends_as_asked_last(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        gate = job.hold("import_segment")
        await steer.execute()
        await gate.reached()
        said = job.hold("set_state")
        pausing = asyncio.create_task(steer.pause())
        await said.reached()
        resuming = asyncio.create_task(steer.resume())
        await steer.handle.query(MigrationWorkflow.phase)
        said.opened.set()
        await asyncio.gather(pausing, resuming)
        assert job.status is Status.PROCESSING
        gate.opened.set()
        assert (await steer.result()).counts == Counts(inserted=3000)


class TestCancel:
    @pytest.mark.parametrize("heartbeats", [True, False], ids=["stopped", "completed anyway"])
    @pytest.mark.parametrize(
        "step", ["inspect_upload", "parse_upload", "validate_records", "set_state"]
    )
    async def test_before_the_import(
        self, steer: Steering, job: FakeJob, step: str, heartbeats: bool
    ) -> None:
        gate = job.hold(step, heartbeats=heartbeats)
        await steer.start()
        await gate.reached()
        await steer.cancel()
        if not heartbeats:
            gate.opened.set()
        assert (await steer.result()).status is Status.CANCELLED
        assert job.calls == [*PREVIEW[: PREVIEW.index(step) + 1], *TAKEN_BACK]

    async def test_while_it_waits(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        await steer.cancel()
        assert (await steer.result()).status is Status.CANCELLED
        assert job.calls == [*PREVIEW, *TAKEN_BACK]

    @pytest.mark.parametrize("heartbeats", [True, False], ids=["stopped", "completed anyway"])
    @pytest.mark.parametrize("step", ["validate_records", "begin_import", "import_segment"])
    async def test_an_execution(
        self, steer: Steering, job: FakeJob, step: str, heartbeats: bool
    ) -> None:
        await steer.previewed()
        gate = job.hold(step, heartbeats=heartbeats)
        await steer.execute()
        await gate.reached()
        await steer.cancel()
        if not heartbeats:
            gate.opened.set()
        ended = await steer.result()
        assert ended.status is Status.CANCELLED
        assert ended.undone == Undone(
            deleted=3000 if (step, heartbeats) == ("import_segment", False) else 0
        )
        assert (job.calls[-3:], job.imported) == (TAKEN_BACK, 0)

    async def test_while_it_is_paused(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        gate = job.hold("import_segment")
        await steer.execute()
        await gate.reached()
        await steer.pause()
        gate.opened.set()
        undoing = job.hold("undo_import")
        await steer.cancel()
        await undoing.reached()
        assert await refusal(steer.resume()) == "the job is undoing"
        assert await refusal(steer.cancel()) == "the job is undoing"
        undoing.opened.set()
        assert (await steer.result()).status is Status.CANCELLED
        assert job.status is Status.CANCELLED

    async def test_who_waits_for_an_answer_gets_one(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        gate = job.hold("validate_records")
        previewing = asyncio.create_task(refusal(steer.preview(2)))
        await gate.reached()
        await steer.cancel()
        assert await previewing == "the job is undoing"
        assert (await steer.result()).status is Status.CANCELLED

    async def test_nothing_is_said_of_the_job_after_its_end(
        self, steer: Steering, job: FakeJob
    ) -> None:
        """A pause on its way into the job's row is waited for, before anything is undone."""
        await steer.previewed()
        gate = job.hold("import_segment")
        await steer.execute()
        await gate.reached()
        said = job.hold("set_state", heartbeats=False)
        pausing = asyncio.create_task(steer.pause())
        await said.reached()
        await steer.cancel()
        await steer.reaches(Phase.UNDOING)
        for _ in range(30):  # round trips in which nothing may happen
            await steer.handle.query(MigrationWorkflow.phase)
        assert "undo_import" not in job.calls
        said.opened.set()
        await pausing
        assert (await steer.result()).status is Status.CANCELLED
        assert job.calls[-4:] == ["set_state", *TAKEN_BACK]
        assert job.status is Status.CANCELLED

    async def test_a_complete_import_is_past_it(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        gate = job.hold("clean_up")
        await steer.execute()
        await gate.reached()
        assert await refusal(steer.cancel()) == "the job is cleaning up"
        gate.opened.set()
        assert (await steer.result()).status is Status.COMPLETED


class TestFailure:
    @pytest.mark.parametrize(
        "step", ["inspect_upload", "parse_upload", "validate_records", "begin_import"]
    )
    async def test_it_is_taken_back_and_says_why(
        self, steer: Steering, job: FakeJob, step: str
    ) -> None:
        job.failures[step] = non_retryable(DAMAGED)
        await steer.start()
        if step == "begin_import":
            await job.reads(Status.PREVIEW)
            await steer.execute()
        failure = await steer.failure()
        assert isinstance(failure, ApplicationError)
        assert (failure.type, failure.message) == (DAMAGED.code, DAMAGED.detail)
        assert job.calls[-3:] == TAKEN_BACK
        closed = job.asked("close_job")[0]
        assert (closed.status, closed.problem) == (Status.FAILED, DAMAGED)

    async def test_in_the_middle_of_an_import(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        gate = job.hold("import_segment")
        await steer.execute()
        await gate.reached()
        await steer.pause()
        gate.opened.set()
        job.failures["import_segment"] = non_retryable(DAMAGED)
        await steer.resume()
        await steer.failure()
        assert job.asked("close_job")[0].undone == Undone()
        assert job.status is Status.FAILED

    async def test_who_waits_for_a_preview_is_told(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        job.failures["validate_records"] = non_retryable(DAMAGED)
        assert await refusal(steer.preview(2)) == "the job is undoing"
        await steer.failure()

    async def test_an_error_without_a_problem_is_an_internal_one(
        self, steer: Steering, job: FakeJob
    ) -> None:
        job.failures["parse_upload"] = ApplicationError("oh dear", non_retryable=True)
        await steer.start()
        await steer.failure()
        assert job.asked("close_job")[0].problem.code == "internal_error"

    async def test_what_is_not_final_is_tried_again(self, steer: Steering, job: FakeJob) -> None:
        job.failures["parse_upload"] = ApplicationError("PostgreSQL is away", type="OSError")
        gate = job.hold("parse_upload")
        await steer.start()
        await gate.reached()
        gate.opened.set()
        gate = job.gates["parse_upload"] = type(gate)(True)
        await gate.reached()
        del job.failures["parse_upload"]
        gate.opened.set()
        await job.reads(Status.PREVIEW)
        assert job.calls.count("parse_upload") == 2


class TestFromOutside:
    @pytest.mark.parametrize("heartbeats", [True, False], ids=["stopped", "completed anyway"])
    async def test_cancelling_the_workflow_takes_the_job_back(
        self, steer: Steering, job: FakeJob, heartbeats: bool
    ) -> None:
        await steer.previewed()
        gate = job.hold("import_segment", heartbeats=heartbeats)
        await steer.execute()
        await gate.reached()
        await steer.handle.cancel()
        if not heartbeats:
            gate.opened.set()
        assert isinstance(await steer.failure(), CancelledError)
        assert job.calls[-3:] == TAKEN_BACK
        assert (job.status, job.imported) == (Status.CANCELLED, 0)

    async def test_cancelling_does_not_stop_what_takes_the_job_back(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        gate = job.hold("undo_import")
        await steer.cancel()
        await gate.reached()
        await steer.handle.cancel()
        await steer.handle.query(MigrationWorkflow.phase)
        gate.opened.set()
        assert (await steer.result()).status is Status.CANCELLED
        assert job.calls[-3:] == TAKEN_BACK

    async def test_a_terminated_workflow_does_nothing_more(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        await steer.handle.terminate()
        with pytest.raises(WorkflowFailureError):
            await steer.result()
        assert job.calls == PREVIEW
        assert (await steer.handle.describe()).status is WorkflowExecutionStatus.TERMINATED


class TestWhatOperatorsSee:
    async def test_tenant_and_phase_are_search_attributes(
        self, steer: Steering, job: FakeJob
    ) -> None:
        await steer.previewed()
        found = (await steer.handle.describe()).typed_search_attributes
        assert found[TENANT_ID] == job.tenant_id
        assert found[PHASE] == Phase.AWAITING_EXECUTE
        await steer.cancel()
        await steer.result()
        assert (await steer.handle.describe()).typed_search_attributes[PHASE] == Phase.DONE

    async def test_every_step_says_what_it_does(self, steer: Steering, job: FakeJob) -> None:
        await steer.previewed()
        await steer.execute()
        await steer.result()
        events = (await steer.handle.fetch_history()).events
        scheduled = [
            event for event in events if event.HasField("activity_task_scheduled_event_attributes")
        ]
        assert len(scheduled) == len(job.calls)
        assert all(event.user_metadata.summary.data for event in scheduled)
