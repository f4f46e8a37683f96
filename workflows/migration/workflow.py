"""One migration job, from the stored upload to the last clean-up.

upload -> parse -> preview -> (execute) -> validate -> import, segment by segment -> clean up.
Cancelling, failing and expiring all end in the same place: undo, clean up, close.

The job's row says how the job stands, not the history: an operator can reset a run to any of its
events. Activities refuse what does not fit the row (`superseded`); the run then looks the row up
and goes on from there.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    # Not `from workflows import …`: the sandbox would load a copy of each for every workflow.
    import workflows.migration.details as details
    import workflows.migration.messages as m
    import workflows.migration.steps as steps
    from domain.failures import Problem
    from domain.migration.job import FINAL, Options, Phase, Status
    from workflows.migration.ending import Ended, end_job, problem_of, uninterrupted
    from workflows.migration.steering import Steered, Wish
    from workflows.payload import Payload
    from workflows.step import UNREADABLE

SEGMENT_RECORDS = 250_000  # some seconds of work; progress, pause and crash act per batch anyway

_RECALL = "recall a job that stands otherwise"  # a patch: in older histories such a job fails
_STALE = ("superseded", UNREADABLE)  # problems after which the row is looked up
_RECALLS = 10  # look-ups in a run; one that is overtaken more often fails
_EXPIRED = "nobody executed or resumed the job within MIGRATION_TTL_SECONDS (7 days by default)"


class MigrationInput(Payload):
    """A job that waits for its user longer than `ttl_seconds` expires. `resume` is what the run
    before this one knew, if it continued as new."""

    job: m.JobRef
    ttl_seconds: int
    dry_run: bool = False
    resume: m.JobState | None = None


@workflow.defn(name="Migration")
class MigrationWorkflow(Steered):
    """Orders steps, waits for the user and compensates. It holds only ids, counts and states."""

    @workflow.init
    def __init__(self, input: MigrationInput) -> None:
        super().__init__(input.job, input.resume or m.JobState())
        self._input = input

    @workflow.run
    async def run(self, input: MigrationInput) -> Ended:
        self._work = asyncio.create_task(self._migrate())
        if self._cancelled:  # an update can be handled before the first line of `run`
            self._work.cancel()
        try:
            over = await self._work
            ended = await (self._end_on_record(over) if over else self._end(Status.COMPLETED))
        except BaseException as error:
            failed = isinstance(error, FailureError)
            if is_cancelled_exception(error) or (self._cancelled and failed):
                ended = await self._end(Status.CANCELLED)
                if self._cancelled:
                    return ended
            elif failed:
                problem = problem_of(error)
                await self._end(Status.FAILED, problem)
                raise ApplicationError(problem.detail, type=problem.code) from error
            raise  # continuing as new and eviction pass through here too
        if ended.status is Status.FAILED and over is not None and over.problem is not None:
            raise ApplicationError(over.problem.detail, type=over.problem.code)
        return ended

    async def _migrate(self) -> m.RecordedJob | None:
        """Do the job. If its row says that it has ended or is ending: what the row says."""
        for _ in range(_RECALLS):
            try:
                await self._go_on()
                return None
            except FailureError as error:
                if problem_of(error).code not in _STALE or not workflow.patched(_RECALL):
                    raise
            recorded = await self._recall()
            if recorded.has_ended:
                return recorded
        raise ApplicationError("other runs keep working on the job", type="superseded")

    async def _go_on(self) -> None:
        if self._state.importing is None:
            if self._input.resume is None and self._checked is None:
                await self._parse()
            await self._begin(await self._agree())
        while self._state.importing is not None and not self._state.importing.is_done:
            await self._import_more(self._state.importing)

    async def _recall(self) -> m.RecordedJob:
        """Take over what the job's row says; if an import has begun, go on with that one."""
        self._was_reset = False
        recorded = await self._look_up()
        over, begun = recorded.has_ended, recorded.options is not None
        self._refuse_wishes(recorded.status, over or begun)
        self._counts = recorded.counts
        known = self._state.mapped_by(recorded.revision).holding(recorded.records)
        self._state = known.at(None)
        if recorded.options is not None and not over:
            await self._begin(recorded.options)
        return recorded

    async def _end_on_record(self, recorded: m.RecordedJob) -> Ended:
        """The end that is on record. If an earlier run has only begun it, it is finished first."""
        if recorded.status not in FINAL and recorded.ending is not None:
            return await self._end(recorded.ending, recorded.problem)
        self._enter(Phase.DONE)
        await workflow.wait_condition(workflow.all_handlers_finished)
        counts, undone = recorded.counts, recorded.undone
        return Ended(status=recorded.status, counts=counts, undone=undone)

    async def _parse(self) -> None:
        self._enter(Phase.PARSING)
        upload = await steps.inspect_upload(self._job, "find and pin the upload")
        parsed = await steps.parse_upload(
            m.ParseInput(job=self._job, etag=upload.etag), f"parse {upload.size:,} bytes"
        )
        self._state = self._state.holding(parsed.records)
        await self._validate(Options(dry_run=True) if self._input.dry_run else None)

    async def _validate(self, options: Options | None) -> bool:
        """Preview the file, or validate it for an execution; whether it may be executed."""
        what = "preview" if options is None else "dry run of" if options.dry_run else "validate"
        validated = await steps.validate_records(
            m.ValidateInput(job=self._job, revision=self._state.revision, options=options),
            f"{what} {self._state.records:,} records",
        )
        self._checked = validated
        self._state = self._state.model_copy(update={"revision": validated.revision})
        return validated.accepted

    async def _agree(self) -> Options:
        """Preview as often as the user wants, until an execution is asked for and accepted; its
        options."""
        while True:
            await self._say(Status.PREVIEW, Phase.AWAITING_EXECUTE)
            await self._wait(lambda: self._wish is not None)
            wish, self._wish = self._wish, None
            assert wish is not None
            self._asked = wish
            self._state = self._state.mapped_by(wish.revision)
            status = Status.PREVIEW if wish.options is None else Status.PROCESSING
            await self._say(status, Phase.VALIDATING)
            wish.answered = wish.options is not None
            if await self._fulfil(wish) and wish.options is not None:
                return wish.options
            wish.answered = True
            await self._continue_if_suggested()

    async def _fulfil(self, wish: Wish) -> bool:
        """Preview or validate; a mapping that does not exist is refused, and the last one stays."""
        before = self._checked.revision if self._checked else 0
        try:
            return await self._validate(wish.options)
        except ActivityError as error:
            problem = problem_of(error)
            if problem.code != "mapping_missing":
                raise
            self._state = self._state.model_copy(update={"revision": before})
            wish.refusal = problem.detail
            return False

    async def _begin(self, options: Options) -> None:
        self._enter(Phase.IMPORTING)
        async with self._row:
            steered = self._steered
            begun = await steps.begin_import(
                m.BeginInput(job=self._job, revision=self._state.revision, options=options),
                "open the import",
            )
        if steered == self._steered:
            self._state = self._state.paused_as(self._state.paused or begun.paused)
        importing = m.Import(options=begun.options or options, begun=begun)
        self._state = self._state.mapped_by(begun.revision or 0).at(importing)

    async def _import_more(self, importing: m.Import) -> None:
        """Import one segment, once the import is not paused."""
        await self._wait(lambda: not self._state.paused)
        segment = await self._import_segment(importing)
        self._state = self._state.at(importing.after(segment))
        self._counts = segment.counts
        if segment.paused and not self._state.paused:
            await self._look_up()  # paused in an earlier run, or resumed just now
        self._describe()
        await self._continue_if_suggested()

    async def _import_segment(self, at: m.Import) -> m.Segment:
        stride = max(1, SEGMENT_RECORDS // at.options.batch_size)
        stop = min(at.next + stride, at.begun.batches)
        segment = m.SegmentInput(
            job=self._job,
            epoch=at.begun.epoch,
            revision=self._state.revision,
            options=at.options,
            first=at.next,
            stop=stop,
        )
        what = details.batches(at.next, stop, at.begun.batches)
        return await steps.import_segment(segment, what)

    async def _continue_if_suggested(self) -> None:
        """Go on as a new run, before the history becomes too long to be replayed."""
        if workflow.info().is_continue_as_new_suggested():
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(self._input.model_copy(update={"resume": self._state}))

    async def _end(self, status: Status, problem: Problem | None = None) -> Ended:
        return await uninterrupted(self._finish(status, problem))

    async def _finish(self, status: Status, problem: Problem | None) -> Ended:
        """End the job. From the first line on no update is accepted, and those that run end first,
        so that none writes the job's row after its end."""
        self._phase = Phase.CLEANING_UP if status is Status.COMPLETED else Phase.UNDOING
        await workflow.wait_condition(workflow.all_handlers_finished)
        ended = await end_job(self._job, status, problem, self._enter)
        self._counts = ended.counts
        self._describe()
        return ended

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait for the user until `condition` holds. Raises ApplicationError `expired` if that
        takes too long, and `superseded` in a run that was reset: what it waits for may have
        happened in an earlier run.
        """
        idle = timedelta(seconds=self._input.ttl_seconds)
        waiting = asyncio.create_task(
            workflow.wait_condition(condition, timeout=idle, timeout_summary="the job expires")
        )
        try:
            await workflow.wait_condition(lambda: waiting.done() or self._was_reset)
            if not waiting.done() and workflow.patched(_RECALL):
                raise ApplicationError("this run was reset", type="superseded")
            await waiting
        except TimeoutError:
            raise ApplicationError(_EXPIRED, type="expired") from None
        finally:
            waiting.cancel()
