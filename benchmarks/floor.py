"""The floor of an import: the time that PostgreSQL alone needs to load rows already mapped."""

import asyncio
import time
from pathlib import Path

import asyncpg

from benchmarks.stack import Stack

_DEFAULTED = ("id", "imported_at", "row_version", "imported_version")
_TWIN = "floor_incidents"


def unload(stack: Stack, schema: str, file: Path) -> None:
    """Write a tenant's imported incidents to a CSV file, which `floor` loads."""
    asyncio.run(_unload(stack.postgres, schema, file))


def floor(stack: Stack, schema: str, file: Path) -> float:
    """Seconds of one `COPY` of `unload`'s file into a new table with the same defaults and
    indexes, in one transaction."""
    return asyncio.run(_floor(stack.postgres, schema, file))


def settle(stack: Stack, schema: str) -> None:
    """Delete a tenant's records and run a checkpoint, so that the next run does not pay for
    them."""
    asyncio.run(_settle(stack.postgres, schema))


def count_rows(dsn: str, schema: str) -> int:
    """How many incidents a tenant has."""
    return asyncio.run(_count_rows(dsn, schema))


async def _count_rows(dsn: str, schema: str) -> int:
    connection = await asyncpg.connect(dsn)
    count: int = await connection.fetchval(f"select count(*) from {schema}.incidents")
    await connection.close()
    return count


async def _unload(dsn: str, schema: str, file: Path) -> None:
    connection = await asyncpg.connect(dsn)
    columns = ", ".join(await _columns(connection, schema))
    query = f"select {columns} from {schema}.incidents"
    await connection.copy_from_query(query, output=file, format="csv")
    await connection.close()


async def _floor(dsn: str, schema: str, file: Path) -> float:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"create table {_TWIN} (like {schema}.incidents including all)")
    columns = await _columns(connection, schema)
    begin = time.perf_counter()
    await connection.copy_to_table(_TWIN, source=file, columns=columns, format="csv")
    seconds = time.perf_counter() - begin
    await connection.execute(f"drop table {_TWIN}")
    await connection.execute("checkpoint")
    await connection.close()
    return seconds


async def _settle(dsn: str, schema: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"truncate {schema}.incidents")
    await connection.execute("checkpoint")
    await connection.close()


async def _columns(connection: "asyncpg.Connection[asyncpg.Record]", schema: str) -> list[str]:
    found = await connection.fetch(
        "select column_name from information_schema.columns where table_schema = $1"
        " and table_name = 'incidents' and column_name <> all($2) order by ordinal_position",
        schema,
        _DEFAULTED,
    )
    return [row["column_name"] for row in found]
