"""Finds which records of a file a tenant has already. Imports polars: not for workflows or the
API."""

from typing import Any, TypeAlias

import asyncpg
import polars as pl

from domain.migration.preview import Elsewhere
from storage.migration.importing.run import Run

Driver: TypeAlias = "asyncpg.Connection[Any]"

# A record without a content hash gets the hash 0, so that it counts as different from any row.
_KNOWN = """
select source_id, external_id as number, coalesce(content_hash, 0) as known_hash,
    row_version <> coalesce(imported_version, 1) as edited,
    migration_job_id is not distinct from $4 as mine
from {target} where source_id = any($1::text[]) and source_system = $2 and source_instance = $3
"""
_ELSEWHERE = """
select source_system, source_instance, count(*) from {target}
where source_id = any($1::text[]) and (source_system, source_instance) <> ($2, $3)
group by source_system, source_instance order by count(*) desc, source_system limit 1
"""
_SCHEMA = {
    "source_id": pl.String,
    "number": pl.String,
    "known_hash": pl.Int64,
    "edited": pl.Boolean,
    "mine": pl.Boolean,
}
NOTHING_KNOWN = pl.DataFrame(schema=_SCHEMA)


async def has_records(driver: Driver, run: Run) -> bool:
    """Whether the tenant has, or had before this job, any record of the run's source: one that
    another job wrote, or one that this job has replaced."""
    query = (
        f"select from {run.target} where source_system = $1 and source_instance = $2"
        " and migration_job_id is distinct from $3"
        f" union all select from {run.tenant_id.schema}.import_before_images"
        " where job_id = $3 limit 1"
    )
    source = run.source_system, run.source_instance
    return await driver.fetchrow(query, *source, run.job_id) is not None


async def known_elsewhere(driver: Driver, run: Run, ids: pl.Series) -> Elsewhere | None:
    """The other source whose records have most of these ids, with their number; None if no other
    source has any of them."""
    row = await driver.fetchrow(
        _ELSEWHERE.format(target=run.target), ids.to_list(), run.source_system, run.source_instance
    )
    if row is None:
        return None
    return Elsewhere(row["source_system"], row["source_instance"], row["count"], len(ids))


_LOCKED = f"{_KNOWN} order by source_id for no key update"


async def known_records(
    driver: Driver, run: Run, ids: pl.Series, *, hold: bool = False
) -> pl.DataFrame:
    """The tenant's records with these ids: `source_id`, `number`, `known_hash` (of the content that
    was imported last), `edited` (somebody changed the record since), and `mine` (an earlier batch
    of the same job wrote it). With `hold` nobody edits them until the transaction ends."""
    if ids.is_empty():
        return NOTHING_KNOWN
    source = run.source_system, run.source_instance
    query = (_LOCKED if hold else _KNOWN).format(target=run.target)
    found = await driver.fetch(query, ids.to_list(), *source, run.job_id)
    return pl.DataFrame([tuple(row) for row in found], schema=_SCHEMA, orient="row")
