"""A job whose activities are played by the test, under their real names.

The workflow under test is the real one, on a real Temporal server; this stands for the database
and the files behind the activities: it keeps the job's row and says what it was asked, in order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.errors import non_retryable
from domain.failures import Problem
from domain.migration.job import Counts, Options, Phase, Status, Undone
from workflows.all_steps import STEPS
from workflows.migration import messages as m
from workflows.migration.rollback import RollbackWorkflow
from workflows.migration.workflow import SEGMENT_RECORDS, MigrationWorkflow
from workflows.payload import Payload
from workflows.reaper import ReaperWorkflow
from workflows.step import IMPORT, ORCHESTRATE
from workflows.sweep import Reaped, ReapInput

WORKFLOWS = (MigrationWorkflow, RollbackWorkflow, ReaperWorkflow)
TENANT = "01jd0000000000000000000000"
SUMMARY = "acme · generic_csv incident · CSV, 123,456 bytes"
PATIENCE = 30.0  # seconds after which a test gives up on what it waits for
SEGMENT = SEGMENT_RECORDS // Options().batch_size  # batches
_PROMPT = timedelta(milliseconds=50)


class Gate:
    """Holds an activity until it is opened."""

    def __init__(self, heartbeats: bool) -> None:
        self.opened = asyncio.Event()
        self._reached = asyncio.Event()
        self._heartbeats = heartbeats

    async def reached(self) -> None:
        """Wait until the activity stands before it."""
        async with asyncio.timeout(PATIENCE):
            await self._reached.wait()

    async def passed(self) -> None:
        self._reached.set()
        while not self.opened.is_set():
            if self._heartbeats:
                activity.heartbeat()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.opened.wait(), 0.05)


@dataclass
class FakeJob:
    """`batches` of 1,000 records each; every attribute may be changed while the job runs."""

    batches: int = 3
    accepted: bool = True
    tenant_id: str = TENANT
    job_id: str = field(default_factory=lambda: str(uuid4()))
    calls: list[str] = field(default_factory=list)
    inputs: list[Payload] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    unproven: dict[Status, Problem] = field(default_factory=dict)  # by closing so, each once
    gates: dict[str, Gate] = field(default_factory=dict)
    status: Status = Status.PENDING
    phase: Phase = Phase.UPLOADING
    epoch: int = 0
    imported: int = 0
    begun: Options | None = None  # the options of the import, once it has begun
    ending: Status | None = None

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()

    @property
    def ref(self) -> m.JobRef:
        return m.JobRef(tenant_id=self.tenant_id, job_id=self.job_id)

    def hold(self, step: str, *, heartbeats: bool = True) -> Gate:
        """Make the activity wait; without heartbeats it never learns of a cancellation."""
        return self.gates.setdefault(step, Gate(heartbeats))

    def asked(self, name: str) -> list[Any]:
        """The inputs of one kind of activity, in order."""
        return [each for call, each in zip(self.calls, self.inputs, strict=True) if call == name]

    async def reads(self, status: Status, phase: Phase | None = None) -> None:
        """Wait until the job's row says so."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(
                lambda: self.status is status and phase in (None, self.phase)
            )

    async def called(self, name: str) -> None:
        """Wait until one kind of activity was asked for."""
        async with asyncio.timeout(PATIENCE):
            while name not in self.calls:
                await asyncio.sleep(0.01)

    async def _row(self, status: Status, phase: Phase) -> None:
        async with self._changed:
            self.status, self.phase = status, phase
            self._changed.notify_all()

    @property
    def counts(self) -> Counts:
        return Counts(inserted=self.imported * 1000)

    async def perform(self, name: str, input: Any) -> Any:
        self.calls.append(name)
        self.inputs.append(input)
        if name in self.gates:
            await self.gates[name].passed()
        if name in self.failures:
            raise self.failures[name]
        return await getattr(self, name)(input)

    async def inspect_upload(self, _: m.JobRef) -> m.Upload:
        return m.Upload(size=123_456, etag="etag")

    async def parse_upload(self, _: m.ParseInput) -> m.Parsed:
        return m.Parsed(records=self.batches * 1000, chunks=self.batches)

    async def validate_records(self, input: m.ValidateInput) -> m.Validated:
        accepted = self.accepted and input.options is not None and not input.options.dry_run
        return m.Validated(
            revision=input.revision or 1, valid=3000, invalid=0, duplicates=0, accepted=accepted
        )

    async def begin_import(self, _: m.BeginInput) -> m.Begun:
        self.epoch += 1
        await self._row(Status.PROCESSING, Phase.IMPORTING)
        return m.Begun(epoch=self.epoch, batches=self.batches)

    async def import_segment(self, input: m.SegmentInput) -> m.Segment:
        """Like the real activity, it looks for a pause in the job's row before each batch."""
        for number in range(input.first, input.stop):
            if self.status is Status.PAUSED:
                return m.Segment(next=number, counts=self.counts)
            self.imported = number + 1
        return m.Segment(next=input.stop, counts=self.counts)

    async def set_state(self, input: m.StateInput) -> m.State:
        await self._row(input.status, input.phase)
        return m.State(status=input.status)

    async def recall_job(self, _: m.JobRef) -> m.RecordedJob:
        """The job's state; afterwards no activity refuses the job again."""
        self.failures.clear()
        return m.RecordedJob(
            status=self.status,
            ending=self.ending,
            records=self.batches * 1000,
            options=self.begun,
            counts=self.counts,
        )

    async def undo_import(self, _: m.UndoInput) -> m.TakenBack:
        undone, self.imported = Undone(deleted=self.imported * 1000), 0
        return m.TakenBack(undone=undone)

    async def clean_up(self, _: m.JobRef) -> m.Cleaned:
        return m.Cleaned(deleted=self.batches + 1)

    async def close_job(self, input: m.CloseInput) -> m.Closed:
        if input.status in self.unproven:
            raise non_retryable(self.unproven.pop(input.status))
        await self._row(input.status, Phase.DONE)
        return m.Closed(status=input.status, counts=self.counts)

    async def reap(self, _: ReapInput) -> Reaped:
        return Reaped(started=1)


def played(job: FakeJob, queue: str) -> list[Callable[..., Any]]:
    """The activities of one task queue, with the signatures that their steps declare."""

    def play(name: str, input: type, result: type) -> Callable[..., Any]:
        async def run(given: Any) -> Any:
            return await job.perform(name, given)

        run.__annotations__ = {"given": input, "return": result}
        return activity.defn(name=name)(run)

    return [play(step.name, step.input, step.result) for step in STEPS if step.queue == queue]


@asynccontextmanager
async def working(client: Client, job: FakeJob, **options: Any) -> AsyncIterator[None]:
    """Workers for the job, with the queues of worker.py."""
    async with (
        Worker(
            client,
            task_queue=ORCHESTRATE,
            workflows=WORKFLOWS,
            activities=played(job, ORCHESTRATE),
            max_heartbeat_throttle_interval=_PROMPT,
            **options,
        ),
        Worker(
            client,
            task_queue=IMPORT,
            activities=played(job, IMPORT),
            max_heartbeat_throttle_interval=_PROMPT,
        ),
    ):
        yield
