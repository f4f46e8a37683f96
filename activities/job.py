"""A job as its activities need it: the row, its source, its entity, its mapping made ready."""

from dataclasses import dataclass, field
from uuid import UUID

from activities.memory import PROCESS_BYTES, Memory, available, divided
from channels.egress import Egress
from domain.entity import ENTITIES, Entity
from domain.failures import BadInput
from domain.mapping import Mapping
from domain.plan import Plan
from domain.tenant import TenantId
from sources import SOURCES, Source
from storage import migration
from storage.database import Database
from storage.migration import Job
from storage.objects import ObjectStore
from storage.secrets import Vault
from workflows.messages import JobRef


@dataclass(frozen=True, slots=True)
class Connections:
    """What activities work with."""

    database: Database
    store: ObjectStore
    vault: Vault
    egress: Egress
    memory: Memory = field(default_factory=lambda: divided(available(), PROCESS_BYTES))


# A chunk of the version that cut by count alone; it may weigh anything, so it asks for much.
_CUT_BY_COUNT = (10_000, 256 * 2**20)


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job's row, with the words it holds turned into what they mean."""

    ref: JobRef
    row: Job

    @property
    def id(self) -> UUID:
        return UUID(self.ref.job_id)

    @property
    def tenant_id(self) -> TenantId:
        return TenantId(self.ref.tenant_id)

    @property
    def entity(self) -> Entity:
        return ENTITIES[self.row["entity_type"]]

    @property
    def source(self) -> Source:
        return SOURCES[self.row["source_system"]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The source fields of the file, in file order; known once it is parsed."""
        return tuple(self.row["profile"].get("columns", ()))

    @property
    def time_zone(self) -> str | None:
        """The zone of time stamps that name none; the format's own where that prescribes UTC."""
        if self.row["format"] in self.source.utc_formats:
            return "UTC"
        zone: str | None = self.row["source_timezone"]
        return zone

    @property
    def prefix(self) -> str:
        """What the keys of the upload and of all its chunks begin with."""
        return str(self.row["object_key"]).rpartition(".")[0]

    def chunk_key(self, number: int) -> str:
        """Where a parsed job's chunk lies. An earlier version cut by count alone and used another
        name, so that chunks of the two kinds are never taken for one another."""
        if self.row["profile"] and "chunks" not in self.row["profile"]:
            return f"{self.prefix}/{number:06}.arrow"
        return new_chunk_key(self.prefix, number)

    @property
    def chunk_sizes(self) -> list[tuple[int, int]]:
        """Of each chunk how many records it accounts for and what it weighs, known once the job
        is parsed; a chunk that was cut by count alone may weigh anything."""
        known: list[tuple[int, int]] = self.row["profile"].get("chunks", [])
        return known or [_CUT_BY_COUNT] * int(self.row["chunks"])

    def first_row(self, chunk: int) -> int:
        """The number of a chunk's first record."""
        return sum(records for records, _ in self.chunk_sizes[:chunk]) + 1

    def plan(self, mapping: Mapping) -> Plan:
        return Plan.build(mapping, self.entity, self.source.identity, self.time_zone)


def new_chunk_key(prefix: str, number: int) -> str:
    return f"{prefix}/c{number:06}.arrow"


def new_chunk_number(key: str) -> int | None:
    """The number of the chunk that lies there; None if that is no chunk, or one of the old."""
    name = key.rpartition("/")[2].partition(".")[0]
    return int(name[1:]) if name[:1] == "c" and name[1:].isdecimal() else None


async def load_job(database: Database, ref: JobRef) -> LoadedJob:
    """Raises BadInput `job_missing` if the job's row is gone, as with a deleted tenant."""
    async with database.tenant(TenantId(ref.tenant_id)) as connection:
        row = await migration.find(connection, UUID(ref.job_id))
    if row is None:
        raise BadInput("job_missing", "the job is no longer on record")
    return LoadedJob(ref, row)
