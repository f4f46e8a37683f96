"""Reads imported records, and the lists of rejected and skipped ones."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from storage.migration.tables import import_errors, import_skips, records
from storage.postgres.rows import Span, Values, find_page, find_row


class Record(TypedDict):
    """The columns that the tables of all entities have; a row also has the entity's own columns."""

    id: UUID
    source_system: str | None
    source_instance: str | None
    source_id: str | None
    custom: Json
    migration_job_id: UUID | None
    source_row: int | None
    content_hash: int | None
    imported_at: datetime
    row_version: int
    imported_version: int | None


class Fault(TypedDict):
    """A row of import_errors: a record that was rejected, or kept by an undo, and why."""

    id: UUID
    job_id: UUID
    revision: int
    source_row: int
    source_id: str | None
    field: str | None
    code: str
    detail: str
    value: str | None


class Skip(TypedDict):
    """A row of import_skips: a record that was left as it was, and why."""

    id: UUID
    job_id: UUID
    source_row: int
    source_id: str
    reason: str


async def page(
    connection: AsyncConnection,
    entity_type: str,
    filters: Values,
    limit: int,
    after: UUID | None,
) -> list[Record]:
    """One page of records in id order, which is the order of import. `filters`: the values that
    columns must have."""
    table = records[entity_type]
    wanted = [table.c[column] == value for column, value in filters.items()]
    return await find_page(connection, Record, table, Span(limit, after), *wanted)


async def find(connection: AsyncConnection, entity_type: str, record_id: UUID) -> Record | None:
    return await find_row(connection, Record, records[entity_type], record_id)


async def errors(
    connection: AsyncConnection, job_id: UUID, limit: int, after: UUID | None
) -> list[Fault]:
    """One page of a job's records that were rejected, or kept by an undo, in the order in which
    they were found."""
    of_job = import_errors.c.job_id == job_id
    return await find_page(connection, Fault, import_errors, Span(limit, after), of_job)


async def skips(
    connection: AsyncConnection, job_id: UUID, limit: int, after: UUID | None
) -> list[Skip]:
    """One page of a job's skipped records, in the order of the file."""
    of_job = import_skips.c.job_id == job_id
    return await find_page(connection, Skip, import_skips, Span(limit, after), of_job)
