"""Queries that all tables with an id share: create a row, find one, list a page, remove one.

A row is a dict; its type is a TypedDict that callers pass as `shape`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Result, Select, Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

Shape = TypeVar("Shape", bound=Mapping[str, Any])  # a row's TypedDict

# The values to write, by column; the database fills the other columns.
Values = Mapping[str, object]


class Identified(TypedDict):
    """A row of any table with an id."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows of a list: at most `limit`, after the row with the id `after`, or after the first
    `offset` rows. With an `offset` the whole list is counted, so it is for short lists."""

    limit: int
    after: UUID | None = None
    offset: int | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Listing(Generic[Shape]):
    """The rows of a span. `total`: how many the whole list has; None if they were not counted."""

    rows: list[Shape]
    total: int | None = None


def rows_of(shape: type[Shape], found: Result[Any]) -> list[Shape]:
    """The rows that a query found."""
    return [cast("Shape", dict(row._mapping)) for row in found]


def row_of(shape: type[Shape], found: Result[Any]) -> Shape | None:
    """The only row that a query found; None if it found none."""
    row = found.one_or_none()
    return None if row is None else cast("Shape", dict(row._mapping))


async def listing(
    connection: AsyncConnection,
    shape: type[Shape],
    query: Select[Any],
    id: ColumnElement[Any],
    span: Span,
) -> Listing[Shape]:
    """The rows of the query in the span, in the order of `id`; counted if `offset` is given."""
    rows = query.order_by(id.desc() if span.newest_first else id).limit(span.limit)
    if span.after is not None:
        rows = rows.where(id < span.after if span.newest_first else id > span.after)
    found = await connection.execute(rows.offset(span.offset))
    total = None
    if span.offset is not None:
        total = await connection.scalar(select(func.count()).select_from(query.subquery()))
    return Listing(rows_of(shape, found), total)


async def create_row(
    connection: AsyncConnection, shape: type[Shape], table: Table, values: Values
) -> Shape:
    """Insert a row; returns it with the values that the database has filled in."""
    row = await connection.execute(insert(table).values(values).returning(table))
    return cast("Shape", dict(row.one()._mapping))


async def find_row(
    connection: AsyncConnection, shape: type[Shape], table: Table, id: UUID, *, lock: bool = False
) -> Shape | None:
    """The row with the id, or None. With `lock` nobody else changes or deletes it before this
    transaction ends."""
    query = select(table).where(table.c.id == id)
    locked = query.with_for_update(key_share=True) if lock else query
    return row_of(shape, await connection.execute(locked))


async def find_page(
    connection: AsyncConnection,
    shape: type[Shape],
    table: Table,
    span: Span,
    *conditions: ColumnElement[bool],
) -> list[Shape]:
    """One page of the rows that meet all conditions, in id order."""
    query = select(table).where(*conditions)
    return (await listing(connection, shape, query, table.c.id, span)).rows


async def remove_row(connection: AsyncConnection, table: Table, id: UUID) -> bool:
    """Delete the row with the id; False if there was none."""
    gone = await connection.execute(delete(table).where(table.c.id == id).returning(table.c.id))
    return gone.one_or_none() is not None
