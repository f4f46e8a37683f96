"""The life of a migration job: its statuses, phases, options and counts."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Status(StrEnum):
    PENDING = "pending"
    PREVIEW = "preview"
    PROCESSING = "processing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"


class Phase(StrEnum):
    """The step that a job is at within its status; `undoing` takes back what a stopped import had
    written."""

    UPLOADING = "uploading"
    PARSING = "parsing"
    AWAITING_EXECUTE = "awaiting_execute"
    VALIDATING = "validating"
    IMPORTING = "importing"
    UNDOING = "undoing"
    CLEANING_UP = "cleaning_up"
    DONE = "done"


# The phases after an import. In them a job is shown as `processing`, whatever its row says: the row
# keeps the status from before until the end, such as `completed` during a rollback.
AFTER_IMPORT = frozenset({Phase.UNDOING, Phase.CLEANING_UP})


def not_now(state: str) -> str:
    """The sentence that refuses a request which a job in this state does not allow."""
    way_out = "; it can be resumed or cancelled" if state == Status.PAUSED else ""
    return f"the job is {state}{way_out}"


class Skip(StrEnum):
    """Why an import left a record as it was."""

    EXISTS = "exists"  # the tenant has it
    REPEATED = "repeated"  # an earlier record of the file is of the same ticket
    UNCHANGED = "unchanged"  # an update would change nothing
    EDITED = "edited"  # somebody has edited it since it was imported


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.ROLLED_BACK})

SMALLEST_BATCH = 100  # records
Duplicates = Literal["skip", "update", "refuse"]
Match = Literal["never", "without_id", "number"]  # which records are found by their number


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Options(_Model):
    """How to execute a job.

    `batchSize` is the number of records committed together, at most one parsed chunk. An update
    leaves a field as it is where the file has no value for it, unless `emptyOverwrites`, and a row
    that somebody has edited since its import, unless `overwriteEdits`. `matchBy` says whether a
    record is recognised by its number as well: always (`number`) or never (`id`). Without it, only
    records that have no other id are, if the file has each number once.
    """

    model_config = ConfigDict(extra="forbid")

    continue_on_error: bool = False
    skip_duplicates: bool = True
    update_existing: bool = False
    empty_overwrites: bool = False
    overwrite_edits: bool = False
    match_by: Literal["id", "number"] | None = None
    dry_run: bool = False
    batch_size: int = Field(default=10_000, ge=SMALLEST_BATCH, le=10_000)

    def match(self, unique: bool) -> Match:
        """Which records are found by their number; `unique`: the file has each number once."""
        if self.match_by is None:
            return "without_id" if unique else "never"
        return "number" if self.match_by == "number" else "never"

    @property
    def duplicates(self) -> Duplicates:
        if self.update_existing:
            return "update"
        return "skip" if self.skip_duplicates else "refuse"


class Counts(_Model):
    """What became of records; the four outcomes add up to the records processed."""

    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def processed(self) -> int:
        return self.inserted + self.updated + self.skipped + self.failed


OUTCOMES = tuple(Counts.model_fields)


class Undone(_Model):
    """How many records were taken back: `deleted`, or `restored` to what they were. The `kept` ones
    stay, as they were edited, or referred to, since; they are listed with the errors."""

    deleted: int = 0
    restored: int = 0
    kept: int = 0
