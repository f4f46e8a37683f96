"""A job as its activities need it: its row, source, entity, and mapping as a plan."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.migration.keys import job_prefix, new_chunk_key
from domain.failures import BadInput
from domain.mapping.entities.registry import ENTITIES
from domain.mapping.entity import Entity
from domain.mapping.fitting import column_of
from domain.mapping.mapping import ImportMapping
from domain.mapping.plan import Plan
from domain.migration.job import FINAL
from domain.tenant import TenantId
from domain.values.zones import UTC_NAMES
from sources import SOURCES, Source
from sources.source import Record, Values
from storage.migration import jobs as migration
from storage.migration.importing.ledger import Superseded
from storage.migration.jobs import Job
from storage.postgres.database import Database
from workflows.migration.messages import JobRef
from workflows.migration.start import migration_id, rollback_id

_FILE_CHARS = 16  # of the upload's hash: 64 bits tell a tenant's files apart

# Records and weight of a chunk that an early version cut by count alone: its real weight is not
# known, so this estimate is high.
_CUT_BY_COUNT = (10_000, 256 * 2**20)


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job's row, and what follows from it: entity, source, default mapping, keys of its files."""

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
        """The zone of time stamps that name none: the user's, else that of the format."""
        zone: str | None = self.row["source_timezone"]
        return zone or ("UTC" if self.row["format"] in self.source.utc_formats else None)

    @property
    def names_another_zone(self) -> bool:
        """Whether the user named another zone than UTC for a format that holds UTC as a rule."""
        is_utc = self.row["source_timezone"] in (None, *UTC_NAMES)
        return self.row["format"] in self.source.utc_formats and not is_utc

    def values_of(self, records: Iterable[Record]) -> Values | None:
        """Whether the file has its values as stored or as displayed, as far as these records show;
        None for formats that do not hold UTC as a rule."""
        is_utc = self.row["format"] in self.source.utc_formats
        return self.source.values_of(self.columns, records) if is_utc else None

    @property
    def prefix(self) -> str:
        """What the keys of the upload and of all its chunks begin with."""
        return job_prefix(self.row["object_key"])

    def chunk_key(self, number: int) -> str:
        """The key of a parsed job's chunk. It names the version of the readers that cut the chunk,
        so that chunks of two versions are never mixed; the first versions had other keys."""
        profile = self.row["profile"]
        if profile and "chunks" not in profile:
            return f"{self.prefix}/{number:06}.arrow"
        return new_chunk_key(self.prefix, number, profile.get("readers"))

    @property
    def chunk_sizes(self) -> list[tuple[int, int]]:
        """The number of records and the weight (sources.readers.chunk.Chunk) of each chunk, known
        once the job is parsed; estimated for chunks that were cut by count alone."""
        known: list[tuple[int, int]] = self.row["profile"].get("chunks", [])
        return known or [_CUT_BY_COUNT] * int(self.row["chunks"])

    def first_row(self, chunk: int) -> int:
        """The number of a chunk's first record."""
        return sum(records for records, _ in self.chunk_sizes[:chunk]) + 1

    @property
    def identity(self) -> str | None:
        """The column that identifies a record in its source, if the file has one."""
        name = self.source.identity
        return name and column_of(name, self.columns)

    @property
    def source_mapping(self) -> ImportMapping:
        """The source's default mapping of the columns that the file has."""
        return self.source.default_mapping(self.entity.name, self.columns)

    def plan(self, mapping: ImportMapping) -> Plan:
        plan = Plan.build(mapping, self.entity, self.identity, self.time_zone)
        plan = plan.placed(self.columns, str(self.row["sha256"])[:_FILE_CHARS])
        return plan.labelled() if self.source.labels_priorities else plan


async def load_job(database: Database, ref: JobRef) -> LoadedJob:
    """The job. Raises BadInput `job_missing` if its row is gone, as with a deleted tenant, and
    `foreign_workflow` if the activity's workflow is not the job's own."""
    _check_workflow(ref)
    async with database.tenant(TenantId(ref.tenant_id)) as connection:
        return _loaded(ref, await migration.find(connection, UUID(ref.job_id)))


@asynccontextmanager
async def locked_job(
    database: Database, ref: JobRef
) -> AsyncIterator[tuple[AsyncConnection, LoadedJob]]:
    """Lock a job's row. Yields the transaction that holds the lock, and the job: until the
    transaction ends, nobody else changes the job or imports for it."""
    _check_workflow(ref)
    async with database.tenant(TenantId(ref.tenant_id)) as connection:
        yield connection, _loaded(ref, await migration.lock(connection, UUID(ref.job_id)))


def _loaded(ref: JobRef, row: Job | None) -> LoadedJob:
    if row is None:
        raise BadInput("job_missing", "the job is no longer on record")
    return LoadedJob(ref, row)


def _check_workflow(ref: JobRef) -> None:
    """Raises BadInput unless the activity's workflow has the id that the job's own has: two
    workflows of one kind would take the job from each other for ever."""
    if activity.in_activity():
        info = activity.info()
        own = {"Migration": migration_id, "Rollback": rollback_id}.get(info.workflow_type or "")
        if own is None or info.workflow_id != own(ref.job_id):
            asks = f"{info.workflow_type} {info.workflow_id}"
            detail = f"the workflow {asks} does not belong to the job {ref.job_id}"
            raise BadInput("foreign_workflow", detail)


async def load_before_import(database: Database, ref: JobRef) -> LoadedJob:
    """A job whose import has not begun. Raises Superseded for any other, as after a reset of its
    workflow."""
    job = await load_job(database, ref)
    check_before_import(job)
    return job


@asynccontextmanager
async def before_import(database: Database, ref: JobRef) -> AsyncIterator[AsyncConnection]:
    """A transaction in which to record what was found out about the job's file. Raises Superseded
    if the import has begun or the job has ended; until the transaction ends, neither happens."""
    async with locked_job(database, ref) as (connection, job):
        check_before_import(job)
        yield connection


def check_before_import(job: LoadedJob) -> None:
    """Raises Superseded if the job has ended, or if its import has begun: then its mapping and
    options are on record and no longer change."""
    if has_ended(job.row) or job.row["started_at"] is not None:
        raise superseded(job)


async def load_importing(database: Database, ref: JobRef) -> LoadedJob:
    """A job whose import is under way. Raises Superseded for any other, as after a reset of its
    workflow."""
    job = await load_job(database, ref)
    if not is_importing(job.row):
        raise superseded(job)
    return job


def superseded(job: LoadedJob) -> Superseded:
    return Superseded(f"job {job.id} is {job.row['status']}: {job.row['phase']}")


def is_importing(row: Job) -> bool:
    """Whether the import has begun and has not ended; it may be paused."""
    return row["started_at"] is not None and not has_ended(row)


def has_ended(row: Job) -> bool:
    """Whether the job has ended or is being ended, so that nothing is imported for it any more."""
    return row["status"] in FINAL or row["ending"] is not None
