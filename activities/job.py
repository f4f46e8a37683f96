"""A job as its activities need it: the row, its source, its entity, its mapping made ready."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

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
        return f"{self.prefix}/{number:06}.arrow"

    def chunk_number(self, key: str) -> int:
        return int(key.rpartition("/")[2].partition(".")[0])

    def plan(self, mapping: Mapping) -> Plan:
        return Plan.build(mapping, self.entity, self.source.identity, self.time_zone)


async def load_job(database: Database, ref: JobRef) -> LoadedJob:
    """Raises BadInput `job_missing` if the job's row is gone, as with a deleted tenant."""
    async with database.tenant(TenantId(ref.tenant_id)) as connection:
        return _loaded(ref, await migration.find(connection, UUID(ref.job_id)))


async def lock_job(connection: AsyncConnection, ref: JobRef) -> LoadedJob:
    """The same, and nobody changes the job or imports for it until the transaction ends."""
    return _loaded(ref, await migration.lock(connection, UUID(ref.job_id)))


def _loaded(ref: JobRef, row: Job | None) -> LoadedJob:
    if row is None:
        raise BadInput("job_missing", "the job is no longer on record")
    return LoadedJob(ref, row)
