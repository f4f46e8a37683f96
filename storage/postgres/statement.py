"""Statements in PostgreSQL's own words, for the paths where a round trip counts."""

from functools import lru_cache
from typing import Any

import asyncpg
from pydantic_core import to_json

Row = dict[str, Any]


class Statements:
    """Runs SQL in a tenant's open transaction; `tenant.` in it stands for the tenant's own schema.

    Parameters are `$1` …; jsonb goes in as text (`as_json`) and comes out as what it holds.
    """

    def __init__(self, driver: "asyncpg.Connection[Any]", schema: str) -> None:
        self._driver, self._schema = driver, schema

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        return [dict(row) for row in await self._driver.fetch(_of(self._schema, sql), *values)]

    async def row(self, sql: str, *values: Any) -> Row | None:
        found = await self._driver.fetchrow(_of(self._schema, sql), *values)
        return None if found is None else dict(found)

    async def run(self, sql: str, *values: Any) -> None:
        await self._driver.execute(_of(self._schema, sql), *values)


@lru_cache(maxsize=4096)
def _of(schema: str, sql: str) -> str:
    return sql.replace("tenant.", f"{schema}.")


def as_json(value: Any) -> str:
    return to_json(value).decode()
