"""One migration job, from the stored upload to the last clean-up.

upload -> parse -> preview -> (execute) -> validate -> import, segment by segment -> clean up.
Cancelling, failing and expiring all end in the same place: undo, clean up, close.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    # Not `from workflows import …`: the sandbox would load a copy of each for every workflow.
    import workflows.details as details
    import workflows.messages as m
    import workflows.steps as steps
    from domain.failures import Problem
    from domain.migration import Counts, Options, Phase, Status
    from workflows.attributes import PHASE
    from workflows.ending import Ended, end_job, problem_of, uninterrupted

SEGMENT_RECORDS = 250_000  # some seconds of work; progress, pause and crash act per batch anyway

_ENDING = frozenset({Phase.UNDOING, Phase.CLEANING_UP, Phase.DONE})


class ExecuteRequest(m.Message):
    """Import under a mapping revision and options; `revision` 0 means the one previewed last."""

    revision: int = 0
    options: Options


class MigrationInput(m.Message):
    """The job expires when nobody goes on with it for `ttl_seconds`."""

    job: m.JobRef
    ttl_seconds: int
    dry_run: bool = False
    resume: m.Resume | None = None


@dataclass
class _Wish:
    """What a user asks for while the job waits: a preview, or with options an execution."""

    revision: int
    options: Options | None = None
    answered: bool = False


@workflow.defn(name="Migration")
class MigrationWorkflow:
    """Waits, orders and compensates; everything it knows are ids, counts and states."""

    @workflow.init
    def __init__(self, input: MigrationInput) -> None:
        resume = input.resume or m.Resume(revision=0, records=0, importing=None, paused=False)
        self._input = input
        self._job = input.job
        self._revision, self._records = resume.revision, resume.records
        self._importing, self._paused = resume.importing, resume.paused
        self._checked: m.Validated | None = None
        self._counts = self._importing.counts if self._importing else Counts()
        self._phase = Phase.IMPORTING if self._importing else Phase.PARSING
        self._wish: _Wish | None = None
        self._cancelled = False
        self._row = asyncio.Lock()  # who holds it may say in the job's row how the import stands
        self._work: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, input: MigrationInput) -> Ended:
        self._work = asyncio.create_task(self._migrate())
        if self._cancelled:  # an update can arrive before the first line of this
            self._work.cancel()
        try:
            await self._work
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
        return await self._end(Status.COMPLETED)

    async def _migrate(self) -> None:
        if self._input.resume is None:
            await self._parse()
        if self._importing is None:
            self._importing = await self._begin(await self._agree())
        await self._import(self._importing)

    async def _parse(self) -> None:
        self._enter(Phase.PARSING)
        upload = await steps.inspect_upload(self._job, "find and pin the upload")
        parsed = await steps.parse_upload(
            m.ParseInput(job=self._job, etag=upload.etag), f"parse {upload.size:,} bytes"
        )
        self._records = parsed.records
        await self._validate(Options(dry_run=True) if self._input.dry_run else None)

    async def _validate(self, options: Options | None) -> bool:
        """Preview, or decide about an execution: whether nothing stands in its way."""
        what = "preview" if options is None else "dry run of" if options.dry_run else "validate"
        validated = await steps.validate_records(
            m.ValidateInput(job=self._job, revision=self._revision, options=options),
            f"{what} {self._records:,} records",
        )
        self._checked, self._revision = validated, validated.revision
        return validated.accepted

    async def _agree(self) -> Options:
        """Preview as often as wanted, until an execution is asked for and nothing is against it."""
        while True:
            await self._say(Status.PREVIEW, Phase.AWAITING_EXECUTE)
            await self._wait(lambda: self._wish is not None)
            wish, self._wish = self._wish, None
            assert wish is not None
            self._revision = wish.revision or self._revision
            status = Status.PREVIEW if wish.options is None else Status.PROCESSING
            await self._say(status, Phase.VALIDATING)
            wish.answered = wish.options is not None
            if await self._validate(wish.options) and wish.options is not None:
                return wish.options
            wish.answered = True
            await self._continue_if_suggested()

    async def _begin(self, options: Options) -> m.Import:
        self._enter(Phase.IMPORTING)
        async with self._row:
            begun = await steps.begin_import(
                m.BeginInput(job=self._job, revision=self._revision, options=options),
                "open the import",
            )
        return m.Import(options=options, begun=begun)

    async def _import(self, importing: m.Import) -> None:
        while importing.next < importing.begun.batches:
            await self._wait(lambda: not self._paused)
            segment = await self._import_segment(importing)
            now = {"next": segment.next, "counts": segment.counts}
            self._importing = importing = importing.model_copy(update=now)
            self._counts = segment.counts
            self._describe()
            await self._continue_if_suggested()

    async def _import_segment(self, at: m.Import) -> m.Segment:
        stride = max(1, SEGMENT_RECORDS // at.options.batch_size)
        stop = min(at.next + stride, at.begun.batches)
        segment = m.SegmentInput(
            job=self._job,
            epoch=at.begun.epoch,
            revision=self._revision,
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
            resume = m.Resume(
                revision=self._revision,
                records=self._records,
                importing=self._importing,
                paused=self._paused,
            )
            workflow.continue_as_new(self._input.model_copy(update={"resume": resume}))

    async def _end(self, status: Status, problem: Problem | None = None) -> Ended:
        return await uninterrupted(self._finish(status, problem))

    async def _finish(self, status: Status, problem: Problem | None) -> Ended:
        """From the first line on no update is accepted, and none is left that could still write
        the job's row after its end."""
        self._phase = Phase.CLEANING_UP if status is Status.COMPLETED else Phase.UNDOING
        await workflow.wait_condition(workflow.all_handlers_finished)
        ended = await end_job(self._job, status, problem, self._enter)
        self._counts = ended.counts
        self._describe()
        return ended

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait for the user, but not for ever: an idle job expires, and its file with it."""
        idle = timedelta(seconds=self._input.ttl_seconds)
        try:
            await workflow.wait_condition(
                condition, timeout=idle, timeout_summary="the job expires"
            )
        except TimeoutError:
            raise ApplicationError("nobody went on with the job in time", type="expired") from None

    async def _say(self, status: Status, phase: Phase) -> None:
        """Be in the phase first: who reads of it in the job's row finds that it is so."""
        self._enter(phase)
        await self._set_state(status, phase)

    async def _set_state(self, status: Status, phase: Phase) -> None:
        state = m.StateInput(job=self._job, status=status, phase=phase)
        await steps.set_state(state, f"{status}: {details.words(phase)}")

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        workflow.upsert_search_attributes([PHASE.value_set(phase)])
        self._describe()

    def _describe(self) -> None:
        shown = details.progress(self._state, self._records, self._checked, self._counts)
        workflow.set_current_details(shown)

    @property
    def _state(self) -> str:
        paused = self._paused and self._phase is Phase.IMPORTING
        return "paused" if paused else details.words(self._phase)

    def _require(self, allowed: bool) -> None:
        if not allowed:
            raise ApplicationError(f"the job is {self._state}", type="invalid_state")

    @workflow.query
    def phase(self) -> Phase:
        return self._phase

    @workflow.update
    async def preview(self, revision: int) -> None:
        """Preview another revision of the mapping; returns when the preview is ready."""
        await self._fulfilled(_Wish(revision))

    @workflow.update
    async def execute(self, request: ExecuteRequest) -> None:
        """Start importing; returns once the job says `processing`, not when the import is done."""
        await self._fulfilled(_Wish(request.revision, request.options))

    async def _fulfilled(self, wish: _Wish) -> None:
        self._wish, self._phase = wish, Phase.VALIDATING
        await workflow.wait_condition(lambda: wish.answered or self._phase in _ENDING)
        self._require(wish.answered)

    @preview.validator
    def _may_preview(self, revision: int) -> None:
        self._require(self._phase is Phase.AWAITING_EXECUTE)

    @execute.validator
    def _may_execute(self, request: ExecuteRequest) -> None:
        self._require(self._phase is Phase.AWAITING_EXECUTE)

    @workflow.update
    async def pause(self) -> None:
        """Pause between two batches; returns once the job says so."""
        await self._set_paused(True)

    @pause.validator
    def _may_pause(self) -> None:
        self._require(self._phase is Phase.IMPORTING and not self._paused)

    @workflow.update
    async def resume(self) -> None:
        """Go on with a paused import; returns once the job says so."""
        await self._set_paused(False)

    @resume.validator
    def _may_resume(self) -> None:
        self._require(self._phase is Phase.IMPORTING and self._paused)

    async def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        self._describe()
        async with self._row:
            status = Status.PAUSED if self._paused else Status.PROCESSING
            await self._set_state(status, Phase.IMPORTING)

    @workflow.update
    async def cancel(self) -> None:
        """Stop, and take back what was imported; returns at once."""
        self._cancelled = True
        if self._work is not None:
            self._work.cancel()

    @cancel.validator
    def _may_cancel(self) -> None:
        self._require(not self._cancelled and self._phase not in _ENDING)
