"""What tables with an id have in common: one row more, one by its id, a page of them, one less."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows of a list: so many, from one of them on or, where the list is small enough to be
    counted, after so many."""

    limit: int
    after: UUID | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of a span; `total` is how many the whole list has, where they were counted."""

    rows: list[Row]
    total: int | None = None


async def listing(
    connection: AsyncConnection,
    query: Select[Any],
    id: ColumnElement[Any],
    span: Span,
    *,
    newest_first: bool = False,
) -> Listing:
    """A span of what the query finds, by id."""
    rows = query.order_by(id.desc() if newest_first else id).limit(span.limit)
    if span.after is not None:
        rows = rows.where(id < span.after if newest_first else id > span.after)
    found = await connection.execute(rows.offset(span.offset))
    total = None
    if span.offset is not None:
        total = await connection.scalar(select(func.count()).select_from(query.subquery()))
    return Listing([dict(row._mapping) for row in found], total)


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
