"""Which of these records a tenant has already. Imports polars: not for the API."""

from typing import Any

import asyncpg
import polars as pl

from domain.tenant import TenantId

_SCHEMA = {"source_id": pl.String, "known_hash": pl.Int64}
NOTHING_KNOWN = pl.DataFrame(schema=_SCHEMA)


async def known_records(
    driver: "asyncpg.Connection[Any]",
    table: tuple[TenantId, str],
    source: tuple[str, str],
    ids: pl.Series,
) -> pl.DataFrame:
    """The ids among these that exist for the source (system, instance): `source_id`, `known_hash`.

    A record that was never imported has no hash; it counts as different from anything (0).
    """
    tenant_id, name = table
    found = await driver.fetch(
        f"select source_id, coalesce(content_hash, 0) from {tenant_id.schema}.{name}"
        " where source_id = any($1::text[]) and source_system = $2 and source_instance = $3",
        ids.to_list(),
        *source,
    )
    return pl.DataFrame([tuple(row) for row in found], schema=_SCHEMA, orient="row")
