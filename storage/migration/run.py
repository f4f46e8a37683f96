"""One execution of a migration job, as what it writes goes by."""

from dataclasses import dataclass
from uuid import UUID

from domain.migration.job import Duplicates, Match
from domain.migration.matching import Matching
from domain.tenant import TenantId


@dataclass(frozen=True, slots=True)
class Replacing:
    """What a file may say about a record that the tenant has: `fields` are the mapped ones, and
    `columns` those of the file's columns that go into `custom`.

    An empty value leaves what is there unless `empty_overwrites`, and a record that somebody has
    edited since its import stays unless `overwrite_edits`.
    """

    fields: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    empty_overwrites: bool = False
    overwrite_edits: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What stays the same over all chunks of one execution of a job; `revision` is that of its
    mapping, `match` says which records are found by their number, `repeats` whether the file may
    have an id more than once. Unless `all_or_nothing`, records that cannot be imported are left
    out."""

    tenant_id: TenantId
    job_id: UUID
    epoch: int
    table: str
    source_system: str
    source_instance: str
    duplicates: Duplicates
    replacing: Replacing = Replacing()
    match: Match = "never"
    repeats: bool = False
    revision: int = 0
    all_or_nothing: bool = False

    @property
    def constants(self) -> dict[str, str]:
        """The columns that are the same in all records that the run writes."""
        return {
            "source_system": self.source_system,
            "source_instance": self.source_instance,
            "migration_job_id": str(self.job_id),
        }

    @property
    def target(self) -> str:
        """The tenant's table, as SQL names it."""
        return f"{self.tenant_id.schema}.{self.table}"

    @property
    def matching(self) -> Matching:
        return Matching(self.match, self.duplicates, self.replacing.empty_overwrites)
