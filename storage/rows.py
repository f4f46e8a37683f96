"""What tables with an id have in common: one row more, one by its id, a page of them, one less."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]


async def create_row(connection: AsyncConnection, table: Table, values: Row) -> Row:
    """The row as it was written, with what the database adds to it."""
    row = await connection.execute(insert(table).values(values).returning(table))
    return dict(row.one()._mapping)


async def find_row(
    connection: AsyncConnection, table: Table, id: UUID, *, lock: bool = False
) -> Row | None:
    """`lock`: nobody else changes or deletes it before this transaction ends."""
    query = select(table).where(table.c.id == id)
    row = await connection.execute(query.with_for_update(key_share=True) if lock else query)
    found = row.one_or_none()
    return dict(found._mapping) if found else None


async def page_of(
    connection: AsyncConnection,
    table: Table,
    limit: int,
    after: UUID | None,
    *wanted: ColumnElement[bool],
) -> list[Row]:
    """By id, those after one of them or from the first, of which all that is wanted holds."""
    query = select(table).where(*wanted).order_by(table.c.id).limit(limit)
    if after is not None:
        query = query.where(table.c.id > after)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def remove_row(connection: AsyncConnection, table: Table, id: UUID) -> bool:
    """False if there is none of that id."""
    gone = await connection.execute(delete(table).where(table.c.id == id).returning(table.c.id))
    return gone.one_or_none() is not None
