"""The updates by which a user steers a migration's workflow, and the state that the workflow shows
in the job's row and in the Temporal UI."""

import asyncio
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    # Not `from workflows import …`: the sandbox would load a copy of each for every workflow.
    import workflows.migration.details as details
    import workflows.migration.messages as m
    import workflows.migration.steps as steps
    from domain.migration.job import Counts, Options, Phase, Status, not_now
    from workflows.attributes import PHASE
    from workflows.payload import Payload

_ENDING = frozenset({Phase.UNDOING, Phase.CLEANING_UP, Phase.DONE})


class ExecuteRequest(Payload):
    """Import under a mapping revision and options; `revision` 0 means the one previewed last."""

    revision: int = 0
    options: Options


@dataclass
class Wish:
    """What a user asks for while the job waits: a preview, or with options an execution."""

    revision: int
    options: Options | None = None
    answered: bool = False
    refusal: str | None = None


class Steered:
    """A migration that its user steers by updates. An update that the job's state does not allow is
    refused at once."""

    def __init__(self, job: m.JobRef, state: m.JobState) -> None:
        self._job, self._state = job, state
        self._checked: m.Validated | None = None
        self._counts = state.importing.counts if state.importing else Counts()
        self._phase = Phase.IMPORTING if state.importing else Phase.PARSING
        self._wish: Wish | None = None
        self._asked: Wish | None = None  # the last wish that the workflow took up
        self._cancelled = False
        self._steered = 0  # how often the user has paused or resumed
        self._turn = 0  # of the last state that was recorded
        self._row = asyncio.Lock()  # held while the import's state in the job's row may change
        self._work: asyncio.Task[Any] | None = None
        self._was_reset = False  # and what this run knows was not compared with the row since
        self._loop = asyncio.get_running_loop()
        workflow.register_random_seed_callback(self._note_reset)

    def _note_reset(self, _: int) -> None:
        """Temporal gives a run a new random seed exactly at the event that it was reset to.

        The SDK checks wait conditions only when something is ready to run: so an empty call is.
        """
        self._was_reset = True
        self._loop.call_soon(lambda: None)

    async def _say(self, status: Status, phase: Phase) -> None:
        """Enter the phase, then record it: whoever reads it in the job's row can rely on it."""
        self._enter(phase)
        self._was_reset = False  # recording compares it with the row
        await self._set_state(status, phase)

    async def _set_state(self, status: Status, phase: Phase) -> None:
        # By the server's clock, so that a turn after a reset is later than those before it.
        self._turn = max(self._turn + 1, int(workflow.now().timestamp() * 1_000_000))
        state = m.StateInput(job=self._job, status=status, phase=phase, turn=self._turn)
        await steps.set_state(state, f"{status}: {details.words(phase)}")

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        workflow.upsert_search_attributes([PHASE.value_set(phase)])
        self._describe()

    def _describe(self) -> None:
        shown = details.progress(self._stage, self._state.records, self._checked, self._counts)
        workflow.set_current_details(shown)

    @property
    def _stage(self) -> str:
        if self._cancelled and self._phase not in _ENDING:
            return "being cancelled"
        paused = self._state.paused and self._phase is Phase.IMPORTING
        return "paused" if paused else details.words(self._phase)

    @property
    def _awaits_execute(self) -> bool:
        return self._phase is Phase.AWAITING_EXECUTE and not self._cancelled

    @property
    def _imports(self) -> bool:
        """Whether the import may be steered. A cancelled one may not, although its activity works
        on until it learns of the cancellation."""
        return self._phase is Phase.IMPORTING and not self._cancelled

    def _require(self, allowed: bool) -> None:
        if not allowed:
            raise ApplicationError(not_now(self._stage), type="invalid_state")

    async def _look_up(self) -> m.RecordedJob:
        """What is on record of the job. Whether it is paused is taken over from there, unless its
        user pauses or resumes it meanwhile, which is then about to be recorded."""
        async with self._row:
            steered = self._steered
            recorded = await steps.recall_job(self._job, "look up how the job stands")
            if steered == self._steered:
                self._state = self._state.paused_as(recorded.status is Status.PAUSED)
        return recorded

    @workflow.query
    def phase(self) -> Phase:
        return self._phase

    @workflow.update
    async def preview(self, revision: int) -> None:
        """Preview another revision of the mapping; returns when the preview is ready."""
        await self._fulfilled(Wish(revision))

    @workflow.update
    async def execute(self, request: ExecuteRequest) -> None:
        """Start importing; returns once the job says `processing`, not when the import is done."""
        await self._fulfilled(Wish(request.revision, request.options))

    async def _fulfilled(self, wish: Wish) -> None:
        self._wish, self._phase = wish, Phase.VALIDATING
        await workflow.wait_condition(
            lambda: wish.answered or wish.refusal is not None or self._phase in _ENDING
        )
        if wish.refusal is not None:
            raise ApplicationError(wish.refusal, type="invalid_state")
        self._require(wish.answered)

    def _refuse_wishes(self, status: Status, begun: bool) -> None:
        """Refuse the wish that was taken up, and if the import has `begun` also the next one, which
        the workflow would not take up any more."""
        for wish in (self._asked, self._wish if begun else None):
            if wish is not None and not wish.answered:
                wish.refusal = not_now(details.words(status))
        if begun:
            self._wish = None

    @preview.validator
    def _may_preview(self, revision: int) -> None:
        self._require(self._awaits_execute)

    @execute.validator
    def _may_execute(self, request: ExecuteRequest) -> None:
        self._require(self._awaits_execute)

    @workflow.update
    async def pause(self) -> None:
        """Pause between two batches; returns once the job's row says `paused`."""
        await self._set_paused(True)

    @pause.validator
    def _may_pause(self) -> None:
        self._require(self._imports and not self._state.paused)

    @workflow.update
    async def resume(self) -> None:
        """Go on with a paused import; returns once the job's row says `processing`."""
        await self._set_paused(False)

    @resume.validator
    def _may_resume(self) -> None:
        self._require(self._imports and self._state.paused)

    async def _set_paused(self, paused: bool) -> None:
        self._state, self._steered = self._state.paused_as(paused), self._steered + 1
        self._describe()
        async with self._row:
            status = Status.PAUSED if self._state.paused else Status.PROCESSING
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
