"""The inputs and results of a migration job's workflows and their activities."""

from domain.failures import Problem
from domain.migration.job import FINAL, Counts, Options, Phase, Status, Undone
from domain.tenant import TenantIdField
from workflows.payload import Payload


class JobRef(Payload):
    """Names a job of a tenant."""

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
    """How many records the file has, and how many chunk objects hold them."""

    records: int
    chunks: int


class ValidateInput(Payload):
    """Check all records against a mapping revision. 0 means revision 1: the mapping that came with
    the upload, else the source's default.

    Without options the result is a preview; with them it decides whether the job may run.
    """

    job: JobRef
    revision: int
    options: Options | None = None


class Validated(Payload):
    """What a validation found. `accepted`: the file may be imported with the given options.

    `refuses`: repeated records, whose id an earlier record or the tenant has, count as invalid.
    `by_number`: records with the same number count as one. `numbered`: no two records have the same
    number, so that a record may be known by its number.
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
    """A run's epoch, which keeps earlier runs from writing, and how many batches the import has.

    `revision` and `options` are those of the import on record, which an earlier run may have begun.
    They stay the same, as batches are numbered by its batch size. None: as was asked for.
    """

    epoch: int
    batches: int
    revision: int | None = None
    options: Options | None = None
    paused: bool = False


class Import(Payload):
    """An import that is under way: the batches before `next` are imported."""

    options: Options
    begun: Begun
    next: int = 0
    counts: Counts = Counts()

    @property
    def is_done(self) -> bool:
        return self.next >= self.begun.batches

    def after(self, segment: "Segment") -> "Import":
        """The import after a further segment."""
        return self.model_copy(update={"next": segment.next, "counts": segment.counts})


class JobState(Payload):
    """What a run of the workflow knows of its job, and hands on when it continues as new.

    `importing` is None until the import begins. `revision` is that of the mapping in use.
    """

    revision: int = 0
    records: int = 0
    importing: Import | None = None
    paused: bool = False

    def paused_as(self, paused: bool) -> "JobState":
        return self.model_copy(update={"paused": paused})

    def mapped_by(self, revision: int) -> "JobState":
        """The state with another mapping revision; 0 keeps the present one."""
        return self.model_copy(update={"revision": revision or self.revision})

    def holding(self, records: int) -> "JobState":
        return self.model_copy(update={"records": records or self.records})

    def at(self, importing: Import | None) -> "JobState":
        return self.model_copy(update={"importing": importing})


class SegmentInput(Payload):
    """Batches `first` up to, not including, `stop`. Batches before `first` that the database lost
    are imported again, too."""

    job: JobRef
    epoch: int
    revision: int
    options: Options
    first: int
    stop: int


class Segment(Payload):
    """`next` is the first batch that is not imported: less than `stop` if the job was `paused`, or
    if the worker is shutting down."""

    next: int
    counts: Counts  # of the whole job so far
    paused: bool = False


class StateInput(Payload):
    """The status and phase to record in the job's row; a final status there never changes by this.

    `turn` grows with each state that the workflow records, so that an attempt that hung meanwhile
    does not bring an earlier one back. It is 0 in older histories.
    """

    job: JobRef
    status: Status
    phase: Phase
    turn: int = 0


class State(Payload):
    """The job's status as it stands in the database now."""

    status: Status


class RecordedJob(Payload):
    """What the job's row says, for a run of its workflow whose own idea of the job is out of date.

    `ending` is the status in which a job that is being taken back will end, and `problem` says why.
    `options` and `revision` are those of the import, once it has begun.
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
        """Whether the job has ended or is being ended."""
        return self.ending is not None or self.status in FINAL


class UndoInput(JobRef):
    """Take a job back, which then ends as `ending`. A job that has ended stays as it is, unless a
    completed one is rolled back. Without `ending` (older histories), the kind of workflow decides.
    """

    ending: Status | None = None
    problem: Problem | None = None


class TakenBack(Payload):
    """What undo did. Of what the job wrote, only the rows that undo kept are left."""

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
