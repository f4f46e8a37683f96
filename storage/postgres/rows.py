"""What tables with an id have in common: one row more, one by its id, a page of them, one less.

A row is a dict whose type is a TypedDict beside the table; the functions here are told which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Result, Select, Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

Shape = TypeVar("Shape", bound=Mapping[str, Any])  # a row's TypedDict

# Columns to be written, by their names; the database adds the others.
Values = Mapping[str, object]


class Identified(TypedDict):
    """A row of any table with an id."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows of a list: so many, from one of them on or, where the list is small enough to be
    counted, after so many."""

    limit: int
    after: UUID | None = None
    offset: int | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Listing(Generic[Shape]):
    """The rows of a span; `total` is how many the whole list has, where they were counted."""

    rows: list[Shape]
    total: int | None = None


def rows_of(shape: type[Shape], found: Result[Any]) -> list[Shape]:
    """What a query found, as rows of that type."""
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
    """A span of what the query finds, by id."""
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
    """The row as it was written, with what the database adds to it."""
    row = await connection.execute(insert(table).values(values).returning(table))
    return cast("Shape", dict(row.one()._mapping))


async def find_row(
    connection: AsyncConnection, shape: type[Shape], table: Table, id: UUID, *, lock: bool = False
) -> Shape | None:
    """`lock`: nobody else changes or deletes it before this transaction ends."""
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
    """One page of rows that meet all conditions, in the order of their ids."""
    query = select(table).where(*conditions)
    return (await listing(connection, shape, query, table.c.id, span)).rows


async def remove_row(connection: AsyncConnection, table: Table, id: UUID) -> bool:
    """False if there is none of that id."""
    gone = await connection.execute(delete(table).where(table.c.id == id).returning(table.c.id))
    return gone.one_or_none() is not None
