"""Reading back what was imported."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import import_errors, records


async def page(
    connection: AsyncConnection,
    entity_type: str,
    filters: dict[str, Any],
    limit: int,
    after: UUID | None,
) -> list[dict[str, Any]]:
    """Records in id order, which is the order of import; `filters` are column values."""
    table = records[entity_type]
    query = select(table).order_by(table.c.id).limit(limit)
    for column, value in filters.items():
        query = query.where(table.c[column] == value)
    if after is not None:
        query = query.where(table.c.id > after)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def find(
    connection: AsyncConnection, entity_type: str, record_id: UUID
) -> dict[str, Any] | None:
    table = records[entity_type]
    row = (await connection.execute(select(table).where(table.c.id == record_id))).one_or_none()
    return dict(row._mapping) if row else None


async def errors(
    connection: AsyncConnection, job_id: UUID, limit: int, after: UUID | None
) -> list[dict[str, Any]]:
    """The records of a job that were rejected or kept, in the order they were found."""
    query = (
        select(import_errors)
        .where(import_errors.c.job_id == job_id)
        .order_by(import_errors.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(import_errors.c.id > after)
    return [dict(row._mapping) for row in await connection.execute(query)]
