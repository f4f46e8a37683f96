"""What the workflows of a migration job and their activities tell each other."""

from domain.failures import Problem
from domain.migration.job import FINAL, Counts, Options, Phase, Status, Undone
from domain.tenant import TenantIdField
from workflows.payload import Payload


class JobRef(Payload):
    """Which job of which tenant."""

    tenant_id: TenantIdField
    job_id: str


class Upload(Payload):
    """The stored file, pinned: a file with another ETag is not the one that was uploaded."""

    size: int
    etag: str


class ParseInput(Payload):
    job: JobRef
    etag: str


class Parsed(Payload):
    """`records` of the file lie in `chunks` chunk objects."""

    records: int
    chunks: int


class ValidateInput(Payload):
    """Check all records against a mapping revision (0: the source's default mapping).

    Without options the result is a preview; with them it decides whether the job may run.
    """

    job: JobRef
    revision: int
    options: Options | None = None


class Validated(Payload):
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


class BeginInput(Payload):
    job: JobRef
    revision: int
    options: Options


class Begun(Payload):
    """The run's epoch, which fences off every earlier one, and how many batches it has.

    `revision` and `options` are those of the import on record, which may have begun before: batches
    are counted by its batch size, so no later run may have another. None: as was asked for.
    """

    epoch: int
    batches: int
    revision: int | None = None
    options: Options | None = None
    paused: bool = False


class Import(Payload):
    """An import on its way: the batches before `next` are in."""

    options: Options
    begun: Begun
    next: int = 0
    counts: Counts = Counts()

    @property
    def is_done(self) -> bool:
        return self.next >= self.begun.batches

    def after(self, segment: "Segment") -> "Import":
        """The same once a segment is in."""
        return self.model_copy(update={"next": segment.next, "counts": segment.counts})


class JobState(Payload):
    """What a run of the workflow knows of its job, and hands on when it continues as new.

    `importing` is None until the import begins. `revision` is the mapping's that counts.
    """

    revision: int = 0
    records: int = 0
    importing: Import | None = None
    paused: bool = False

    def paused_as(self, paused: bool) -> "JobState":
        return self.model_copy(update={"paused": paused})

    def mapped_by(self, revision: int) -> "JobState":
        """The same under another mapping; 0 leaves it as it is."""
        return self.model_copy(update={"revision": revision or self.revision})

    def holding(self, records: int) -> "JobState":
        return self.model_copy(update={"records": records or self.records})

    def at(self, importing: Import | None) -> "JobState":
        return self.model_copy(update={"importing": importing})


class SegmentInput(Payload):
    """Batches `first` up to, not including, `stop`."""

    job: JobRef
    epoch: int
    revision: int
    options: Options
    first: int
    stop: int


class Segment(Payload):
    """`next` is the first batch that is not in: less than `stop` if the job was `paused`, or if the
    worker is shutting down."""

    next: int
    counts: Counts  # of the whole job so far
    paused: bool = False


class StateInput(Payload):
    """Where the job is now, for those who read its row; a final status is never left by this.

    `turn` grows with each that the job's workflow says, so that an attempt that hung meanwhile does
    not say an earlier one again; 0 of histories from before there were turns.
    """

    job: JobRef
    status: Status
    phase: Phase
    turn: int = 0


class State(Payload):
    """The job's status as it stands in the database now."""

    status: Status


class Standing(Payload):
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


class TakenBack(Payload):
    """What undo did; nothing of the job is left but the rows it kept."""

    undone: Undone


class CloseInput(Payload):
    """The end of a job: why it failed, what was taken back, whether its files are gone."""

    job: JobRef
    status: Status
    problem: Problem | None = None
    undone: Undone | None = None
    cleaned: bool = True


class Closed(Payload):
    status: Status
    counts: Counts


class Cleaned(Payload):
    deleted: int
