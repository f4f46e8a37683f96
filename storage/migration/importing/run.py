"""One execution of a migration job: what all of its batches need to know."""

from dataclasses import dataclass
from uuid import UUID

from domain.migration.job import Duplicates, Match
from domain.migration.matching import Matching
from domain.tenant import TenantId


@dataclass(frozen=True, slots=True)
class Replacing:
    """How a file updates records that the tenant has.

    `fields` are the mapped fields, and `columns` the file's columns that go into `custom`. An empty
    value changes nothing, unless `empty_overwrites`. A record that somebody has edited since its
    import is not changed, unless `overwrite_edits`.
    """

    fields: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    empty_overwrites: bool = False
    overwrite_edits: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What is the same for all batches of one execution of a job.

    `epoch` is the number of the execution, and `revision` that of its mapping. `match` says which
    records are found by their number; `repeats`, whether the file may have an id more than once.
    Unless `all_or_nothing`, records that cannot be imported are left out.
    """

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
        """The tenant's table with its schema, as SQL."""
        return f"{self.tenant_id.schema}.{self.table}"

    @property
    def matching(self) -> Matching:
        """The rules for domain/migration/matching.py."""
        return Matching(self.match, self.duplicates, self.replacing.empty_overwrites)
