"""Reading back what was imported."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.migration.tables import import_errors, import_skips, records
from storage.postgres.rows import find_row, page_of


async def page(
    connection: AsyncConnection,
    entity_type: str,
    filters: dict[str, Any],
    limit: int,
    after: UUID | None,
) -> list[dict[str, Any]]:
    """Records in id order, which is the order of import; `filters` are column values."""
    table = records[entity_type]
    wanted = [table.c[column] == value for column, value in filters.items()]
    return await page_of(connection, table, limit, after, *wanted)


async def find(
    connection: AsyncConnection, entity_type: str, record_id: UUID
) -> dict[str, Any] | None:
    return await find_row(connection, records[entity_type], record_id)


async def errors(
    connection: AsyncConnection, job_id: UUID, limit: int, after: UUID | None
) -> list[dict[str, Any]]:
    """The records of a job that were rejected or kept, in the order they were found."""
    of_job = import_errors.c.job_id == job_id
    return await page_of(connection, import_errors, limit, after, of_job)


async def skips(
    connection: AsyncConnection, job_id: UUID, limit: int, after: UUID | None
) -> list[dict[str, Any]]:
    """The records of a job that were left as they were, in the order of the file."""
    return await page_of(connection, import_skips, limit, after, import_skips.c.job_id == job_id)
