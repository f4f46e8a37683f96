"""Which of these records a tenant has already. Imports polars: not for workflows or the API."""

from typing import Any, TypeAlias

import asyncpg
import polars as pl

from storage.run import Run

Driver: TypeAlias = "asyncpg.Connection[Any]"

# A record that was never imported has no hash; it counts as different from anything (0).
_KNOWN = """
select source_id, coalesce(content_hash, 0) as known_hash,
    row_version <> coalesce(imported_version, 1) as edited,
    migration_job_id is not distinct from $4 as mine
from {target} where source_id = any($1::text[]) and source_system = $2 and source_instance = $3
"""
_NUMBERED = """
select external_id, source_id as other from {target}
where external_id = any($1::text[]) and source_system = $2 and source_instance = $3
"""
_SCHEMA = {
    "source_id": pl.String,
    "known_hash": pl.Int64,
    "edited": pl.Boolean,
    "mine": pl.Boolean,
}
NOTHING_KNOWN = pl.DataFrame(schema=_SCHEMA)


async def has_records(driver: Driver, run: Run) -> bool:
    """Whether the tenant has any record of the run's source."""
    query = f"select from {run.target} where source_system = $1 and source_instance = $2 limit 1"
    return await driver.fetchrow(query, run.source_system, run.source_instance) is not None


async def known_records(driver: Driver, run: Run, ids: pl.Series) -> pl.DataFrame:
    """The ids among these that the tenant has: `source_id`, `known_hash` (of the content that was
    imported last), whether somebody has `edited` the record since, and whether it is `mine`: what
    an earlier batch of the same job has written."""
    source = run.source_system, run.source_instance
    query = _KNOWN.format(target=run.target)
    found = await driver.fetch(query, ids.to_list(), *source, run.job_id)
    return pl.DataFrame([tuple(row) for row in found], schema=_SCHEMA, orient="row")


async def known_otherwise(driver: Driver, run: Run, rows: pl.DataFrame) -> pl.Series:
    """The numbers of those rows whose `external_id` the tenant has under another id: the same
    ticket twice, where one export has ids and another has not."""
    if "external_id" not in rows.columns:
        return rows["_row"].clear()
    numbers = rows["external_id"].drop_nulls().to_list()
    query = _NUMBERED.format(target=run.target)
    found = await driver.fetch(query, numbers, run.source_system, run.source_instance)
    schema = {"external_id": pl.String, "other": pl.String}
    held = pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")
    met = rows.join(held, on="external_id", how="inner", maintain_order="left")
    same = met.filter(pl.col("source_id") == pl.col("other"))["_row"]
    return met.filter(~pl.col("_row").is_in(same.implode()))["_row"].unique(maintain_order=True)
