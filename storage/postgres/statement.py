"""Plain SQL on the driver's connection, for paths where each round trip counts."""

from functools import lru_cache
from typing import Any, cast

import asyncpg
from pydantic_core import to_json

from storage.postgres.rows import Shape


class Statements:
    """Runs SQL in a tenant's open transaction. `tenant.` in the SQL stands for the tenant's schema.

    Parameters are `$1`, `$2` …; jsonb is passed as text (`as_json`) and returned as Python values.
    """

    def __init__(self, driver: "asyncpg.Connection[Any]", schema: str) -> None:
        self._driver, self._schema = driver, schema

    async def rows(self, shape: type[Shape], sql: str, *values: Any) -> list[Shape]:
        """All rows; `shape` is the TypedDict of the selected columns."""
        found = await self._driver.fetch(_of(self._schema, sql), *values)
        return [cast("Shape", dict(row)) for row in found]

    async def row(self, shape: type[Shape], sql: str, *values: Any) -> Shape | None:
        found = await self._driver.fetchrow(_of(self._schema, sql), *values)
        return None if found is None else cast("Shape", dict(found))

    async def column(self, sql: str, *values: Any) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in await self._driver.fetch(_of(self._schema, sql), *values)]

    async def value(self, sql: str, *values: Any) -> Any:
        """The first value of the first row; None if there is no row."""
        return await self._driver.fetchval(_of(self._schema, sql), *values)

    async def run(self, sql: str, *values: Any) -> None:
        await self._driver.execute(_of(self._schema, sql), *values)


@lru_cache(maxsize=4096)
def _of(schema: str, sql: str) -> str:
    return sql.replace("tenant.", f"{schema}.")


def as_json(value: Any) -> str:
    return to_json(value).decode()
