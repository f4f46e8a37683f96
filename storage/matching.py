"""Finds tickets that the tenant has under another id: one export has ids, another only numbers.

A record is taken for one that the tenant has by its number (`external_id`) if one of the two has no
other id than that number, and no second record has it. Where the user says that numbers count, all
that have one number are one record, wherever they are.
"""

import polars as pl

from domain.migration import Match
from storage.known import Driver, known_records
from storage.run import Run

_NUMBERED = """
select external_id, source_id as other from {target}
where external_id = any($1::text[]) and source_system = $2 and source_instance = $3
"""
_HELD = {"external_id": pl.String, "other": pl.String}


async def matched(driver: Driver, run: Run, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The rows, those that were found by their number with the id that the tenant has; and the
    numbers of the rows whose `external_id` the tenant has under another id, and which were not."""
    if "external_id" not in rows.columns:
        return rows, rows["_row"].clear()
    held = await _held(driver, run, rows)
    met = _met(rows, held)
    asked = met if run.match != "number" else rows.filter(pl.col("external_id").is_not_null())
    own = await known_records(driver, run, asked["source_id"].unique())
    # A record that the tenant has by its id is that one.
    met = met.join(own, on="source_id", how="anti", maintain_order="left")
    # An id goes with its number, also where another record of it has none.
    found = met.filter(_same(run.match)).unique("source_id", keep="first", maintain_order=True)
    found = found.select("source_id", "other")
    rest = met.join(found, on="source_id", how="anti", maintain_order="left")["_row"]
    if not found.is_empty():
        rows = rows.join(found, on="source_id", how="left", maintain_order="left")
        rows = rows.with_columns(source_id=pl.coalesce("other", "source_id")).drop("other")
    if run.match == "number":
        rows = _one_each(run, rows, held, own)
    return rows, rest.unique(maintain_order=True)


def _same(match: Match) -> pl.Expr:
    """Whether a met record is the one that the tenant has; its number is there once."""
    is_one = pl.col("other").n_unique().over("external_id") == 1
    if match == "number":
        return is_one
    without = (pl.col("source_id") == pl.col("external_id")) ^ (
        pl.col("other") == pl.col("external_id")
    )
    is_alone = pl.col("source_id").n_unique().over("external_id") == 1
    return is_one & is_alone & without & (match == "without_id")


def _one_each(run: Run, rows: pl.DataFrame, held: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """The rows, of which those of one number that the tenant does not have have one id: that of
    the first one that is written with the number."""
    number, is_own = pl.col("external_id"), pl.col("source_id").is_in(own["source_id"].implode())
    is_new = number.is_not_null() & ~number.is_in(held["external_id"].implode()) & ~is_own
    # Where known records are left as they are, they do not get the number either.
    writes = pl.lit(True) if run.duplicates == "update" else ~is_own
    first = pl.col("source_id").filter(writes).first().over("external_id")
    return rows.with_columns(source_id=pl.when(is_new).then(first).otherwise("source_id"))


async def _held(driver: Driver, run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """The numbers among those of the rows that the tenant has, each with every id of it."""
    numbers = rows["external_id"].drop_nulls().to_list()
    query = _NUMBERED.format(target=run.target)
    found = await driver.fetch(query, numbers, run.source_system, run.source_instance)
    return pl.DataFrame([tuple(row) for row in found], schema=_HELD, orient="row")


def _met(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """The rows whose number the tenant has, but not their id, with each id that it has there."""
    named = rows.select("_row", "source_id", "external_id")
    met = named.join(held, on="external_id", how="inner", maintain_order="left")
    same = met.filter(pl.col("source_id") == pl.col("other"))["_row"]
    return met.filter(~pl.col("_row").is_in(same.implode()))
