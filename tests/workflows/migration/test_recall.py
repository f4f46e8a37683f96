"""A run whose idea of its job is out of date reads the job's row and follows it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.errors import non_retryable
from domain.failures import Problem
from domain.migration.job import Options, Phase, Status
from tests.operating.operator import Operator
from tests.workflows.migration.fake_job import PATIENCE, FakeJob, working
from tests.workflows.migration.steering import Steering, refusal

SUPERSEDED = non_retryable(Problem(code="superseded", detail="the job is elsewhere"))


@pytest.fixture(autouse=True)
async def workers(client: Client, job: FakeJob, steer: Steering) -> AsyncIterator[None]:
    async with working(client, job):
        yield
        await steer.stop()


@pytest.mark.parametrize("step", ["inspect_upload", "parse_upload", "validate_records"])
@pytest.mark.parametrize("status", [Status.COMPLETED, Status.CANCELLED, Status.ROLLED_BACK])
async def test_a_job_that_is_over_is_left_as_it_is(
    job: FakeJob, steer: Steering, step: str, status: Status
) -> None:
    job.status, job.imported, job.failures[step] = status, 3, SUPERSEDED
    await steer.start()
    ended = await steer.result()
    assert (ended.status, ended.counts.inserted) == (status, 3000)
    assert not {"undo_import", "clean_up", "close_job"} & set(job.calls)


async def test_an_import_that_has_begun_goes_on_under_its_options(
    job: FakeJob, steer: Steering
) -> None:
    job.status, job.begun = Status.PROCESSING, Options(batch_size=500, update_existing=True)
    job.failures["inspect_upload"] = SUPERSEDED
    await steer.start()
    assert (await steer.result()).status is Status.COMPLETED
    assert job.asked("begin_import")[0].options == job.begun
    assert job.asked("import_segment")[0].options == job.begun


async def test_one_that_was_paused_stays_paused(job: FakeJob, steer: Steering) -> None:
    job.status, job.begun = Status.PAUSED, Options()
    job.failures["inspect_upload"] = SUPERSEDED
    await steer.start()
    await job.called("begin_import")
    await steer.reaches(Phase.IMPORTING)
    await steer.resume()
    assert (await steer.result()).status is Status.COMPLETED


async def test_what_is_being_taken_back_is_taken_back(job: FakeJob, steer: Steering) -> None:
    job.status, job.ending = Status.PROCESSING, Status.CANCELLED
    job.failures["inspect_upload"] = SUPERSEDED
    await steer.start()
    assert (await steer.result()).status is Status.CANCELLED
    assert job.asked("undo_import")[0].ending is Status.CANCELLED


async def test_one_that_others_overtake_again_and_again_fails(
    job: FakeJob, steer: Steering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inspect_upload(_: object) -> None:
        raise SUPERSEDED

    monkeypatch.setattr(job, "inspect_upload", inspect_upload)
    await steer.start()
    error = await steer.failure()
    assert isinstance(error, ApplicationError)
    assert error.type == "superseded"
    assert job.calls.count("recall_job") == 10


async def test_a_reset_of_a_run_that_waits_is_noticed(
    client: Client, job: FakeJob, steer: Steering
) -> None:
    """The run waits for a user who has already asked an earlier run; the job is over."""
    await steer.previewed()
    operator = Operator(client, steer.handle.id)
    await operator.waits()
    job.status = Status.COMPLETED
    await operator.reset((await operator.reset_points())[-1], reapply=False)
    assert (await steer.result()).status is Status.COMPLETED
    assert "undo_import" not in job.calls


async def test_who_asks_during_the_look_up_is_answered(
    client: Client, job: FakeJob, steer: Steering
) -> None:
    """The answer comes at once, not when the import of another run is done."""
    await steer.previewed()
    operator = Operator(client, steer.handle.id)
    await operator.waits()
    job.status, job.begun = Status.PROCESSING, Options()
    looking, importing = job.hold("recall_job"), job.hold("import_segment")
    await operator.reset((await operator.reset_points())[-1], reapply=False)
    await looking.reached()
    asked = asyncio.create_task(refusal(steer.execute(batch_size=200)))
    await steer.reaches(Phase.VALIDATING)
    looking.opened.set()
    async with asyncio.timeout(PATIENCE):
        assert await asked == "the job is processing"
    importing.opened.set()
    assert (await steer.result()).status is Status.COMPLETED
    assert job.asked("begin_import")[-1].options == Options()


async def test_who_asks_during_the_look_up_of_a_paused_job_is_told_what_can_be_done(
    client: Client, job: FakeJob, steer: Steering
) -> None:
    await steer.previewed()
    operator = Operator(client, steer.handle.id)
    await operator.waits()
    job.status, job.begun = Status.PAUSED, Options()
    looking = job.hold("recall_job")
    await operator.reset((await operator.reset_points())[-1], reapply=False)
    await looking.reached()
    asked = asyncio.create_task(refusal(steer.execute(batch_size=200)))
    await steer.reaches(Phase.VALIDATING)
    looking.opened.set()
    async with asyncio.timeout(PATIENCE):
        assert await asked == "the job is paused; it can be resumed or cancelled"
    await steer.resume()
    assert (await steer.result()).status is Status.COMPLETED


async def test_who_asks_during_the_look_up_of_a_job_that_waits_is_served(
    client: Client, job: FakeJob, steer: Steering
) -> None:
    await steer.previewed()
    operator = Operator(client, steer.handle.id)
    await operator.waits()
    looking = job.hold("recall_job")
    await operator.reset((await operator.reset_points())[-1], reapply=False)
    await looking.reached()
    asked = asyncio.create_task(steer.execute(batch_size=200))
    await steer.reaches(Phase.VALIDATING)
    looking.opened.set()
    async with asyncio.timeout(PATIENCE):
        await asked
    assert (await steer.result()).status is Status.COMPLETED
    assert job.asked("begin_import")[-1].options == Options(batch_size=200)


async def test_a_mapping_that_does_not_exist_is_refused(job: FakeJob, steer: Steering) -> None:
    await steer.previewed()
    missing = Problem(code="mapping_missing", detail="the job has no mapping 99")
    job.failures["validate_records"] = non_retryable(missing)
    assert await refusal(steer.preview(99)) == "the job has no mapping 99"
    del job.failures["validate_records"]
    await steer.reaches(Phase.AWAITING_EXECUTE)
    await steer.execute()
    assert (await steer.result()).status is Status.COMPLETED
    assert job.asked("begin_import")[0].revision == 1


async def test_each_state_that_is_said_is_later_than_those_before_also_after_a_reset(
    client: Client, job: FakeJob, steer: Steering
) -> None:
    await steer.previewed()
    await steer.preview(2)
    await job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
    operator = Operator(client, steer.handle.id)
    await operator.waits()
    job.status = Status.PENDING
    await operator.reset((await operator.reset_points())[0], reapply=False)
    await job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
    importing = job.hold("import_segment")
    await steer.execute()
    await importing.reached()
    await steer.pause()
    await steer.resume()
    importing.opened.set()
    await steer.result()
    turns = [each.turn for each in job.asked("set_state")]
    assert turns == sorted(set(turns))
    assert len(turns) >= 7
