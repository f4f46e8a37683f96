"""One migration job, from the stored upload to the last clean-up.

upload -> parse -> preview -> (execute) -> validate -> import, segment by segment -> clean up.
Cancelling, failing and expiring all end in the same place: undo, clean up, close.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from domain.failures import Problem
    from domain.migration import Counts, Options, Phase, Status
    from workflows import messages as m
    from workflows import steps

TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
JOB_KIND = SearchAttributeKey.for_keyword("JobKind")
PHASE = SearchAttributeKey.for_keyword("Phase")

ENDING = frozenset({Phase.UNDOING, Phase.CLEANING_UP, Phase.DONE})

SEGMENT_RECORDS = 100_000  # about a second of work; progress, pause and crash act per batch anyway


class ExecuteRequest(m.Message):
    """Import under a mapping revision and options; `revision` 0 means the one previewed last."""

    revision: int = 0
    options: Options


class Resume(m.Message):
    """Where a workflow goes on after continuing as new, in the middle of its import."""

    records: int
    begun: m.Begun
    request: ExecuteRequest
    next: int
    counts: Counts
    paused: bool


class MigrationInput(m.Message):
    """The job expires when nobody goes on with it for `ttl_seconds`. `revision` is the mapping
    at hand; 0 until the first preview has settled it."""

    job: m.JobRef
    ttl_seconds: int
    revision: int = 0
    dry_run: bool = False
    resume: Resume | None = None


class MigrationResult(m.Message):
    status: Status
    counts: Counts


@workflow.defn(name="Migration")
class MigrationWorkflow:
    """Waits, orders and compensates; everything it knows are ids, counts and states."""

    @workflow.init
    def __init__(self, input: MigrationInput) -> None:
        self._input = input
        self._job = input.job
        self._phase = Phase.PARSING
        self._revision = input.revision
        self._asked = False
        self._request: ExecuteRequest | None = None
        self._revise: int | None = None
        self._paused = bool(input.resume and input.resume.paused)
        self._records = input.resume.records if input.resume else 0
        self._counts = input.resume.counts if input.resume else Counts()
        self._cancelled = False
        self._pausing = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, input: MigrationInput) -> MigrationResult:
        self._work = asyncio.create_task(self._migrate())
        if self._cancelled:  # an update can arrive before the first line of this
            self._work.cancel()
        try:
            await self._work
        except BaseException as error:
            if is_cancelled_exception(error) or (self._cancelled and _is_failure(error)):
                result = await self._end(Status.CANCELLED)
                if self._cancelled:
                    return result
            elif _is_failure(error):
                await self._end(Status.FAILED, _problem(error))
            raise  # continuing as new and eviction pass through here too
        return await self._end(Status.COMPLETED)

    async def _migrate(self) -> None:
        resume = self._input.resume
        if resume is None:
            await self._parse()
            request = await self._agree()
            begun = await steps.begin_import(
                m.BeginInput(job=self._job, revision=self._revision, options=request.options)
            )
            resume = Resume(
                records=self._records,
                begun=begun,
                request=request,
                next=0,
                counts=Counts(),
                paused=False,
            )
        await self._import(resume)

    async def _parse(self) -> None:
        self._enter(Phase.PARSING)
        upload = await steps.inspect_upload(self._job, "find and pin the upload")
        parsed = await steps.parse_upload(
            m.ParseInput(job=self._job, etag=upload.etag), f"parse {upload.size:,} bytes"
        )
        self._records = parsed.records
        preview = Options(dry_run=True) if self._input.dry_run else None
        await self._validate(preview)

    async def _validate(self, options: Options | None) -> m.Validated:
        """Previews, or decides about execution; either way the outcome is readable as preview."""
        what = "preview" if options is None else "dry run" if options.dry_run else "validate"
        validated = await steps.validate_records(
            m.ValidateInput(job=self._job, revision=self._revision, options=options),
            f"{what} {self._records:,} records",
        )
        self._revision = validated.revision
        return validated

    async def _agree(self) -> ExecuteRequest:
        """Preview as often as wanted, until an execution is asked for and nothing is against it."""
        while True:
            self._asked = False
            self._enter(Phase.AWAITING_EXECUTE)
            await self._wait(lambda: self._request is not None or self._revise is not None)
            request, self._request = self._request, None
            revision, self._revise = self._revise, None
            self._revision = (request.revision if request else revision) or self._revision
            self._enter(Phase.VALIDATING)
            validated = await self._validate(request.options if request else None)
            if request is not None and validated.accepted:
                return request

    async def _import(self, resume: Resume) -> None:
        self._enter(Phase.IMPORTING)
        batches, options = resume.begun.batches, resume.request.options
        stride = max(1, SEGMENT_RECORDS // options.batch_size)
        next = resume.next
        while next < batches:
            await self._wait(lambda: not self._paused)
            segment = await steps.import_segment(
                m.SegmentInput(
                    job=self._job,
                    epoch=resume.begun.epoch,
                    revision=self._revision,
                    options=options,
                    first=next,
                    stop=min(next + stride, batches),
                ),
                f"batches {next + 1}–{min(next + stride, batches)} of {batches}",
            )
            next = segment.next
            self._counts = segment.counts
            self._describe()
            if workflow.info().is_continue_as_new_suggested():
                await self._continue(resume, next)

    async def _continue(self, resume: Resume, next: int) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        now = {"next": next, "counts": self._counts, "paused": self._paused}
        input = {"revision": self._revision, "resume": resume.model_copy(update=now)}
        workflow.continue_as_new(self._input.model_copy(update=input))

    async def _end(self, status: Status, problem: Problem | None = None) -> MigrationResult:
        """Nothing half-done stays: unless the import is complete, its rows are taken back."""
        undone = None
        if status is not Status.COMPLETED:
            self._enter(Phase.UNDOING)
            undone = (await steps.undo_import(self._job, "take back what was imported")).undone
        self._enter(Phase.CLEANING_UP)
        end = m.CloseInput(
            job=self._job,
            status=status,
            problem=problem,
            undone=undone,
            cleaned=await self._clean_up(),
        )
        closed = await steps.close_job(end)
        self._counts = closed.counts
        self._enter(Phase.DONE)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return MigrationResult(status=closed.status, counts=closed.counts)

    async def _clean_up(self) -> bool:
        try:
            await steps.clean_up(self._job, "delete the upload and its chunks")
        except ActivityError:
            return False  # never a failed job: it becomes a warning, and the reaper tries again
        return True

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait for the user, but not for ever: an idle job expires, and its file with it."""
        idle = timedelta(seconds=self._input.ttl_seconds)
        try:
            await workflow.wait_condition(condition, timeout=idle)
        except TimeoutError:
            raise ApplicationError("nobody went on with the job in time", type="expired") from None

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        workflow.upsert_search_attributes([PHASE.value_set(phase)])
        self._describe()

    def _describe(self) -> None:
        done = self._counts
        state = "paused" if self._paused else self._phase.replace("_", " ")
        workflow.set_current_details(
            f"**{state}** · {done.processed:,} of {self._records:,} records\n\n"
            "| imported | updated | skipped | failed |\n|---|---|---|---|\n"
            f"| {done.inserted:,} | {done.updated:,} | {done.skipped:,} | {done.failed:,} |"
        )

    @workflow.query
    def phase(self) -> Phase:
        return self._phase

    @workflow.update
    async def preview(self, revision: int) -> None:
        """Preview another revision of the mapping; returns when the preview is ready."""
        self._asked = True
        self._revise = revision
        await workflow.wait_condition(lambda: not self._asked or self._phase in ENDING)

    @preview.validator
    def _may_preview(self, revision: int) -> None:
        self._require(self._phase is Phase.AWAITING_EXECUTE and not self._asked)

    @workflow.update
    async def execute(self, request: ExecuteRequest) -> None:
        """Start importing; returns once the job says `processing`, not when the import is done."""
        self._asked = True
        await self._set_state(Status.PROCESSING, Phase.VALIDATING)
        self._request = request

    @execute.validator
    def _may_execute(self, request: ExecuteRequest) -> None:
        self._require(self._phase is Phase.AWAITING_EXECUTE and not self._asked)

    @workflow.update
    async def pause(self) -> None:
        await self._set_paused(True)

    @pause.validator
    def _may_pause(self) -> None:
        self._require(self._phase is Phase.IMPORTING and not self._paused)

    @workflow.update
    async def resume(self) -> None:
        await self._set_paused(False)

    @resume.validator
    def _may_resume(self) -> None:
        self._require(self._paused)

    async def _set_paused(self, paused: bool) -> None:
        async with self._pausing:
            self._paused = paused
            status = Status.PAUSED if paused else Status.PROCESSING
            await self._set_state(status, Phase.IMPORTING)
            self._describe()

    async def _set_state(self, status: Status, phase: Phase) -> None:
        await steps.set_state(m.StateInput(job=self._job, status=status, phase=phase))

    @workflow.update
    async def cancel(self) -> None:
        """Stop, and take back what was imported; returns at once."""
        self._cancelled = True
        if self._work is not None:
            self._work.cancel()

    @cancel.validator
    def _may_cancel(self) -> None:
        self._require(not self._cancelled and self._phase not in ENDING)

    def _require(self, allowed: bool) -> None:
        if not allowed:
            state = "paused" if self._paused else self._phase.replace("_", " ")
            raise ApplicationError(f"the job is {state}", type="invalid_state")


def _is_failure(error: BaseException) -> bool:
    return isinstance(error, FailureError)


def _problem(error: BaseException) -> Problem:
    """The problem as the failing activity stated it, for the job's record."""
    cause = error.cause if isinstance(error, ActivityError) and error.cause else error
    if isinstance(cause, ApplicationError):
        if cause.details:
            return Problem.model_validate(cause.details[0])
        return Problem(code=cause.type or "internal_error", detail=cause.message)
    return Problem(code="internal_error", detail=str(cause))
