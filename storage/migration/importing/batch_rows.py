"""Writes the records of a batch, with the same result as if they were written one after another.

The first record of each id is inserted, if the tenant has none of that id. If the user wants
updates, all others update the record that is there, in turns: first rows, second rows … So the
result does not depend on where the file is cut into batches.
"""

import asyncio
from dataclasses import dataclass
from typing import Self

import asyncpg
import polars as pl

from domain.migration.job import Counts, Skip
from storage.migration.importing.copying import copy_columns, copy_rows, to_csv
from storage.migration.importing.known_records import NOTHING_KNOWN, Driver, known_records
from storage.migration.importing.outcomes import INSERTED, OPEN, REFUSED, UPDATED, outcomes
from storage.migration.importing.replacing import replace_known
from storage.migration.importing.run import Run

_LEFT_OUT = {"_row": pl.Int64, "source_id": pl.String, "outcome": pl.String}
NOTHING_LEFT_OUT = pl.DataFrame(schema=_LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Batch:
    """Mapped records that are ready to be written in one transaction. A batch is a chunk of the
    parsed file (sources/readers/chunk.py), or a part of one if the user wants smaller batches.

    `rows` have the columns of domain/mapping/columns.py; `told` are the same rows, with null where
    `rows` have a default value. `first` has the first row of each id, and `csv` the COPY text of
    `first`, if it was made beforehand. `failed` counts records that could not be read or mapped.
    """

    number: int
    rows: pl.DataFrame
    told: pl.DataFrame
    first: pl.DataFrame
    failed: int
    csv: bytes | None

    @classmethod
    def of(
        cls, number: int, rows: pl.DataFrame, told: pl.DataFrame, failed: int, *, is_new: bool
    ) -> Self:
        """A batch; with `is_new` (the tenant probably has none of its ids) its COPY text is made
        now."""
        first = rows
        if rows["source_id"].n_unique() < rows.height:
            first = rows.unique("source_id", keep="first", maintain_order=True)
        return cls(number, rows, told, first, failed, to_csv(first) if is_new else None)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of writing a batch. `left_out` has `_row`, `source_id` and `outcome` (a Skip or
    REFUSED) of the records that changed nothing. `met`: the tenant had some of the ids."""

    counts: Counts
    left_out: pl.DataFrame
    met: bool


async def write_records(driver: Driver, run: Run, batch: Batch, *, is_new: bool) -> BatchResult:
    """Write all records. With `is_new` (the tenant probably has none of their ids) a plain COPY is
    tried first: a query for known ids costs a sixth of the COPY."""
    if is_new and await _copied_as_new(driver, run, batch):
        known = NOTHING_KNOWN
    else:
        known = await _insert_new(driver, run, batch)
    if known.is_empty() and batch.first is batch.rows:  # as in most migrations
        counts = Counts(inserted=batch.rows.height, failed=batch.failed)
        return BatchResult(counts, NOTHING_LEFT_OUT, met=False)
    found = outcomes(run, batch.rows, known)
    changed = await _take_turns(driver, run, batch, found.filter(pl.col("outcome") == OPEN))
    has_changed = pl.col("_row").is_in(changed)
    after = pl.when(has_changed).then(pl.lit(UPDATED)).otherwise(pl.lit(Skip.UNCHANGED.value))
    found = found.with_columns(
        outcome=pl.when(pl.col("outcome") == OPEN).then(after).otherwise("outcome")
    )
    return _result(found, batch.failed, met=not known.is_empty())


def _result(found: pl.DataFrame, failed: int, *, met: bool) -> BatchResult:
    number = dict(found["outcome"].value_counts().iter_rows())
    left_out = found.filter(pl.col("outcome").is_in([*map(str, Skip), REFUSED]))
    refused = number.get(REFUSED, 0)
    counts = Counts(
        inserted=number.get(INSERTED, 0),
        updated=number.get(UPDATED, 0),
        skipped=left_out.height - refused,
        failed=failed + refused,
    )
    return BatchResult(counts, left_out.select("_row", "source_id", "outcome"), met)


async def _insert_new(driver: Driver, run: Run, batch: Batch) -> pl.DataFrame:
    """Insert the first row of each id that the tenant does not have; returns the known records."""
    # Locked for updates, so that an update overwrites no edit that it has not seen.
    hold = run.duplicates == "update"
    known = await known_records(driver, run, batch.first["source_id"], hold=hold)
    if known.is_empty():
        await _copy(driver, run, batch.first, batch.csv)
    else:
        new = batch.first.join(known, on="source_id", how="anti")
        await _copy(driver, run, new, None)
    return known


async def _take_turns(driver: Driver, run: Run, batch: Batch, open: pl.DataFrame) -> list[int]:
    """Update the records, turn by turn: all first rows of an id together, then all second rows …
    Returns the numbers (`_row`) of the rows that changed a record."""
    changed: list[int] = []
    for _, turn in open.sort("turn", "_row").group_by("turn", maintain_order=True):
        told = batch.told.join(turn.select("_row"), on="_row", how="semi", maintain_order="left")
        ids = await replace_known(driver, run, told, batch.number)
        changed.extend(turn.filter(turn["source_id"].is_in(ids))["_row"])
    return changed


async def _copied_as_new(driver: Driver, run: Run, batch: Batch) -> bool:
    """Copy all first rows; False, and nothing is copied, if the unique index finds a known id."""
    try:
        async with driver.transaction():
            await _copy(driver, run, batch.first, batch.csv)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def _copy(driver: Driver, run: Run, rows: pl.DataFrame, csv: bytes | None) -> None:
    if not rows.is_empty():
        csv = await asyncio.to_thread(to_csv, rows) if csv is None else csv
        await copy_rows(driver, (run.tenant_id.schema, run.table), copy_columns(rows), csv)
