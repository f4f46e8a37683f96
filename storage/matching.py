"""Finds tickets that the tenant has under another id: one export has ids, another only numbers.

A record is taken for one that the tenant has by its number (`external_id`) if one of the two has no
other id than that number, and no second record has it; or wherever the user says so.
"""

import polars as pl

from storage.known import Driver
from storage.run import Run

_NUMBERED = """
select external_id, source_id as other from {target}
where external_id = any($1::text[]) and source_system = $2 and source_instance = $3
"""
_HELD = {"external_id": pl.String, "other": pl.String}


async def matched(driver: Driver, run: Run, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The rows, those that were found by their number with the id that the tenant has; and the
    numbers of the rows whose `external_id` the tenant has under another id, and which were not."""
    none = rows["_row"].clear()
    if "external_id" not in rows.columns:
        return rows, none
    met = await _met(driver, run, rows)
    if met.is_empty():
        return rows, none
    alone = pl.len().over("external_id") == 1
    without = (pl.col("source_id") == pl.col("external_id")) ^ (
        pl.col("other") == pl.col("external_id")
    )
    allowed = {"never": pl.lit(False), "without_id": without, "number": pl.lit(True)}[run.match]
    found = met.filter(alone & allowed).select("_row", "other")
    rows = rows.join(found, on="_row", how="left", maintain_order="left")
    rows = rows.with_columns(source_id=pl.coalesce("other", "source_id")).drop("other")
    rest = met.join(found, on="_row", how="anti", maintain_order="left")["_row"]
    return rows, rest.unique(maintain_order=True)


async def _met(driver: Driver, run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose number the tenant has, but not their id, with each id that it has there."""
    numbers = rows["external_id"].drop_nulls().to_list()
    query = _NUMBERED.format(target=run.target)
    found = await driver.fetch(query, numbers, run.source_system, run.source_instance)
    held = pl.DataFrame([tuple(row) for row in found], schema=_HELD, orient="row")
    named = rows.select("_row", "source_id", "external_id")
    met = named.join(held, on="external_id", how="inner", maintain_order="left")
    same = met.filter(pl.col("source_id") == pl.col("other"))["_row"]
    return met.filter(~pl.col("_row").is_in(same.implode()))
