"""What travels through workflow histories: ids, counts and states. Never rows, never secrets."""

from pydantic import BaseModel, ConfigDict

from domain.failures import Problem
from domain.migration.job import FINAL, Counts, Options, Phase, Status, Undone
from domain.notification.delivery import Check
from domain.tenant import TenantIdField


class Message(BaseModel):
    """Frozen, and every later field needs a default: old histories must still load."""

    model_config = ConfigDict(frozen=True)


class JobRef(Message):
    """Which job of which tenant."""

    tenant_id: TenantIdField
    job_id: str


class Upload(Message):
    """The stored file, pinned: a file with another ETag is not the one that was uploaded."""

    size: int
    etag: str


class ParseInput(Message):
    job: JobRef
    etag: str


class Parsed(Message):
    """`records` of the file lie in `chunks` chunk objects."""

    records: int
    chunks: int


class ValidateInput(Message):
    """Check all records against a mapping revision (0: the source's default mapping).

    Without options the result is a preview; with them it decides whether the job may run.
    """

    job: JobRef
    revision: int
    options: Options | None = None


class Validated(Message):
    """`accepted`: nothing stands in the way of importing under the options given.

    `refuses`: records with an id that another one has count as invalid, `by_number`: those of one
    number are one. `numbered`: no two records have one number, so that a record may be known by it.
    """

    revision: int
    valid: int
    invalid: int
    duplicates: int
    accepted: bool
    refuses: bool = False
    by_number: bool = False
    numbered: bool = False


class BeginInput(Message):
    job: JobRef
    revision: int
    options: Options


class Begun(Message):
    """The run's epoch, which fences off every earlier one, and how many batches it has.

    `revision` and `options` are those of the import on record, which may have begun before: batches
    are counted by its batch size, so no later run may have another. None: as was asked for.
    """

    epoch: int
    batches: int
    revision: int | None = None
    options: Options | None = None
    paused: bool = False


class Import(Message):
    """An import on its way: the batches before `next` are in."""

    options: Options
    begun: Begun
    next: int = 0
    counts: Counts = Counts()


class Resume(Message):
    """Where a workflow goes on after continuing as new: between previews, or in an import."""

    revision: int
    records: int
    importing: Import | None
    paused: bool


class SegmentInput(Message):
    """Batches `first` up to, not including, `stop`."""

    job: JobRef
    epoch: int
    revision: int
    options: Options
    first: int
    stop: int


class Segment(Message):
    """`next` is the first batch that is not in: less than `stop` if the job was `paused`, or if the
    worker is shutting down."""

    next: int
    counts: Counts  # of the whole job so far
    paused: bool = False


class StateInput(Message):
    """Where the job is now, for those who read its row; a final status is never left by this.

    `turn` grows with each that the job's workflow says, so that an attempt that hung meanwhile does
    not say an earlier one again; 0 of histories from before there were turns.
    """

    job: JobRef
    status: Status
    phase: Phase
    turn: int = 0


class State(Message):
    """The job's status as it stands in the database now."""

    status: Status


class Standing(Message):
    """How a job stands on record, for a run of its workflow that does not know.

    `ending` is set while the job is being taken back, to end so, and `problem` says why. `options`
    and `revision` are those of the import, once one has begun.
    """

    status: Status
    ending: Status | None = None
    problem: Problem | None = None
    records: int = 0
    revision: int = 0
    options: Options | None = None
    counts: Counts = Counts()
    undone: Undone | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the job is over, or on its way there."""
        return self.ending is not None or self.status in FINAL


class UndoInput(JobRef):
    """Take a job back, to end as `ending`; what has ended stays as it is, unless a completed job
    is `rolled_back`. Without `ending` (older histories) the kind of workflow says which it is."""

    ending: Status | None = None
    problem: Problem | None = None


class TakenBack(Message):
    """What undo did; nothing of the job is left but the rows it kept."""

    undone: Undone


class CloseInput(Message):
    """The end of a job: why it failed, what was taken back, whether its files are gone."""

    job: JobRef
    status: Status
    problem: Problem | None = None
    undone: Undone | None = None
    cleaned: bool = True


class Closed(Message):
    status: Status
    counts: Counts


class Cleaned(Message):
    deleted: int


class ReapInput(Message):
    """Leave alone what is younger than this."""

    grace_seconds: int


class Reaped(Message):
    """What a sweep did: jobs started, jobs closed, objects deleted, broken uploads aborted,
    requests started again; and how much of it failed, which the worker's log explains."""

    started: int = 0
    closed: int = 0
    objects: int = 0
    uploads: int = 0
    restarted: int = 0
    troubled: int = 0


class RequestRef(Message):
    """A request of one or more notifications, accepted together, of which tenant."""

    tenant_id: TenantIdField
    request_id: str


class Lane(Message):
    """What an integration still has open of a request, and in how many seconds to look again.

    Without `wait` it stands still until somebody wakes it, or until it expires.
    """

    integration_id: str
    open: int
    wait: float | None = None
    type: str = "integration"  # the integration's, for the reader of the history


class Opened(Message):
    """A request that has been routed: its deliveries, and the lanes that are not done."""

    deliveries: int
    lanes: tuple[Lane, ...]


class DeliverInput(Message):
    """One round of a lane; `round` counts from 1 and is for the reader of the history."""

    request: RequestRef
    integration_id: str
    round: int


class IntegrationTestInput(Message):
    """Which integration to test: a saved one, or a draft that is forgotten afterwards."""

    tenant_id: TenantIdField
    subject: str
    saved: bool


class IntegrationTested(Message):
    """What the test found; `error` is the first thing that is wrong."""

    success: bool
    error: str | None = None
    checks: tuple[Check, ...] = ()


class NotificationInput(Message):
    """`lanes` is what an earlier run of this workflow left open."""

    request: RequestRef
    lanes: tuple[Lane, ...] = ()
    deliveries: int = 0


class Notified(Message):
    """Every delivery came to its end; each one's own is in its row."""

    deliveries: int
