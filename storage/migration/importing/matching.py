"""Finds tickets that the tenant has under another id: one export has ids, another only numbers.

This module reads what the tenant has, and domain/migration/matching.py decides. Each batch is
matched after the batches before it were written, so that it finds their records.
"""

from uuid import UUID

import polars as pl

from domain.migration.matching import matched
from domain.migration.tally import NOTHING_HELD
from domain.tenant import TenantId
from storage.migration.importing.known_records import Driver, known_records
from storage.migration.importing.run import Run

_HOLDERS = """
select source_id, external_id from {target}
where external_id = any($1::text[]) and source_system = $2 and source_instance = $3
"""
_PAIRS = {"id": pl.String, "number": pl.String}
_TAKEN = """
select source_id, taken_for from {schema}.import_aliases
where job_id = $1 and source_id = any($2::text[])
"""
_NOTE_TAKEN = """
insert into {schema}.import_aliases (job_id, source_id, taken_for)
select $1, source_id, taken_for from unnest($2::text[], $3::text[]) as t (source_id, taken_for)
on conflict do nothing
"""
_FORGET_TAKEN = "delete from {schema}.import_aliases where job_id = $1"


async def met_records(driver: Driver, run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """The tenant's records that have an id or a number of the mapped rows, as `known_records`
    returns them."""
    named = ids_and_numbers(rows)
    holders = await _holders(driver, run, named)
    return await known_records(driver, run, pl.concat([named["id"], holders["id"]]).unique())


def held(run: Run, known: pl.DataFrame) -> pl.DataFrame:
    """Known records in the form that domain/migration/matching.py takes."""
    kept = pl.col("edited") & (not run.replacing.overwrite_edits)
    return known.select("number", id="source_id", kept=kept).select(NOTHING_HELD.columns)


async def matched_ids(driver: Driver, run: Run, rows: pl.DataFrame) -> pl.Series:
    """For each mapped row of the next batch, the id of the record that it belongs to."""
    named = ids_and_numbers(rows)
    if run.repeats:
        named = await _as_taken(driver, run, named)
    holders = await _holders(driver, run, named)
    others = holders.join(named, on=["id", "number"], how="anti")
    is_met = pl.col("number").is_in(others["number"].implode()).fill_null(False)
    shares = pl.col("number").is_duplicated() & pl.col("number").is_not_null()
    asked = named.filter(is_met | shares | pl.col("id").is_duplicated())
    if asked.is_empty() or (others.is_empty() and run.match == "without_id"):  # as in most imports
        return named["id"]
    ids = pl.concat([asked["id"], holders["id"]]).unique()
    known = await known_records(driver, run, ids)
    found = matched(named, held(run, known), run.matching)
    if run.repeats:
        await _note_taken(driver, run, named.with_columns(taken_for=found))
    return found


def ids_and_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """The ids and numbers of mapped rows; without a mapped number, numbers are null."""
    number = "external_id" if "external_id" in rows.columns else pl.lit(None, pl.String)
    return rows.select(id="source_id", number=number)


async def _holders(driver: Driver, run: Run, named: pl.DataFrame) -> pl.DataFrame:
    """Id and number of the tenant's records that have a number of these rows."""
    numbers = named["number"].drop_nulls().to_list()
    query = _HOLDERS.format(target=run.target)
    found = await driver.fetch(query, numbers, run.source_system, run.source_instance)
    return pl.DataFrame([tuple(row) for row in found], schema=_PAIRS, orient="row")


async def _as_taken(driver: Driver, run: Run, named: pl.DataFrame) -> pl.DataFrame:
    """The rows; where an earlier batch matched a row's id to a record, with that record's id."""
    query = _TAKEN.format(schema=run.tenant_id.schema)
    found = await driver.fetch(query, run.job_id, named["id"].to_list())
    if not found:
        return named
    ids = {row["source_id"]: row["taken_for"] for row in found}
    return named.with_columns(pl.col("id").replace(ids))


async def _note_taken(driver: Driver, run: Run, named: pl.DataFrame) -> None:
    """Remember to which records ids were matched, so that later rows with these ids belong to the
    same records, even without a number or with another one."""
    taken = named.filter(pl.col("id") != pl.col("taken_for")).unique("id", maintain_order=True)
    if not taken.is_empty():
        query = _NOTE_TAKEN.format(schema=run.tenant_id.schema)
        ids, targets = taken["id"].to_list(), taken["taken_for"].to_list()
        await driver.execute(query, run.job_id, ids, targets)


async def forget_taken(driver: Driver, tenant_id: TenantId, job_id: UUID) -> None:
    """Delete what `matched_ids` has remembered for the job, which has ended."""
    await driver.execute(_FORGET_TAKEN.format(schema=tenant_id.schema), job_id)
