"""A job as its activities need it: the row, its source, its entity, its mapping made ready."""

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
from storage.migration.jobs import Job
from storage.migration.ledger import Superseded
from storage.postgres.database import Database
from workflows.migration.messages import JobRef
from workflows.migration.start import migration_id, rollback_id

_FILE_CHARS = 16  # of the upload's hash: 64 bits tell a tenant's files apart

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
        """The zone of time stamps that name none: the user's, else that of the format."""
        zone: str | None = self.row["source_timezone"]
        return zone or ("UTC" if self.row["format"] in self.source.utc_formats else None)

    @property
    def names_another_zone(self) -> bool:
        """Whether the user named a zone, of a file that holds UTC as a rule."""
        is_utc = self.row["source_timezone"] in (None, *UTC_NAMES)
        return self.row["format"] in self.source.utc_formats and not is_utc

    def values_of(self, records: Iterable[Record]) -> Values | None:
        """How a file that holds UTC as a rule has its values, as far as these records show."""
        is_utc = self.row["format"] in self.source.utc_formats
        return self.source.values_of(self.columns, records) if is_utc else None

    @property
    def prefix(self) -> str:
        """What the keys of the upload and of all its chunks begin with."""
        return job_prefix(self.row["object_key"])

    def chunk_key(self, number: int) -> str:
        """Where a parsed job's chunk lies. Its name says by which readers it was cut, so that those
        of two kinds are never taken for one another; the first ones cut by count alone."""
        profile = self.row["profile"]
        if profile and "chunks" not in profile:
            return f"{self.prefix}/{number:06}.arrow"
        return new_chunk_key(self.prefix, number, profile.get("readers"))

    @property
    def chunk_sizes(self) -> list[tuple[int, int]]:
        """Of each chunk how many records it accounts for and what it weighs, known once the job
        is parsed; a chunk that was cut by count alone may weigh anything."""
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
        """How the source's own fields and words are mapped, where nobody says otherwise."""
        return self.source.default_mapping(self.entity.name, self.columns)

    def plan(self, mapping: ImportMapping) -> Plan:
        plan = Plan.build(mapping, self.entity, self.identity, self.time_zone)
        plan = plan.placed(self.columns, str(self.row["sha256"])[:_FILE_CHARS])
        return plan.labelled() if self.source.labels_priorities else plan


async def load_job(database: Database, ref: JobRef) -> LoadedJob:
    """Raises BadInput `job_missing` if the job's row is gone, as with a deleted tenant, and
    `foreign_workflow` if it is asked for by a workflow that is not the job's own."""
    _check_workflow(ref)
    async with database.tenant(TenantId(ref.tenant_id)) as connection:
        return _loaded(ref, await migration.find(connection, UUID(ref.job_id)))


@asynccontextmanager
async def locked_job(
    database: Database, ref: JobRef
) -> AsyncIterator[tuple[AsyncConnection, LoadedJob]]:
    """A job's row under its lock, and the transaction that holds it: until that ends nobody else
    changes the job or imports for it."""
    _check_workflow(ref)
    async with database.tenant(TenantId(ref.tenant_id)) as connection:
        yield connection, _loaded(ref, await migration.lock(connection, UUID(ref.job_id)))


def _loaded(ref: JobRef, row: Job | None) -> LoadedJob:
    if row is None:
        raise BadInput("job_missing", "the job is no longer on record")
    return LoadedJob(ref, row)


def _check_workflow(ref: JobRef) -> None:
    """A job has one workflow of each kind, by its id: two of a kind would steal the job from each
    other for ever."""
    if activity.in_activity():
        info = activity.info()
        own = {"Migration": migration_id, "Rollback": rollback_id}.get(info.workflow_type or "")
        if own is None or info.workflow_id != own(ref.job_id):
            asks = f"{info.workflow_type} {info.workflow_id}"
            raise BadInput("foreign_workflow", f"the job {ref.job_id} is not the workflow {asks}'s")


async def load_before_import(database: Database, ref: JobRef) -> LoadedJob:
    """A job whose import has not begun. Raises Superseded of any other, as after a reset."""
    job = await load_job(database, ref)
    check_before_import(job)
    return job


@asynccontextmanager
async def before_import(database: Database, ref: JobRef) -> AsyncIterator[AsyncConnection]:
    """A transaction to keep what was found out about the job's file. Raises Superseded if the
    import has begun meanwhile or the job ends; until the transaction is over, neither happens."""
    async with locked_job(database, ref) as (connection, job):
        check_before_import(job)
        yield connection


def check_before_import(job: LoadedJob) -> None:
    """Raises Superseded of a job whose import has begun: then the mapping and the options that it
    goes by are on record, and stay."""
    if has_ended(job.row) or job.row["started_at"] is not None:
        raise superseded(job)


async def load_importing(database: Database, ref: JobRef) -> LoadedJob:
    """A job whose import is on its way. Raises Superseded of any other, as after a reset."""
    job = await load_job(database, ref)
    if not is_importing(job.row):
        raise superseded(job)
    return job


def superseded(job: LoadedJob) -> Superseded:
    return Superseded(f"job {job.id} is {job.row['status']}: {job.row['phase']}")


def is_importing(row: Job) -> bool:
    """Whether the import has begun and goes on, or is paused."""
    return row["started_at"] is not None and not has_ended(row)


def has_ended(row: Job) -> bool:
    """Whether the job is over, or on its way there: nothing more is to be read or written."""
    return row["status"] in FINAL or row["ending"] is not None
