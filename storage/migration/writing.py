"""Writes the records of a batch as if they came one after another.

The first record of each id is inserted, or meets the record that the tenant has. Where an update is
wanted, the next ones of an id follow in turns, so that the borders of batches make no difference.
"""

import asyncio
from dataclasses import dataclass
from typing import Self

import asyncpg
import polars as pl

from domain.migration.job import Counts, Skip
from storage.migration.copying import copy_columns, copy_rows, to_csv
from storage.migration.fates import INSERTED, OPEN, REFUSED, UPDATED, fates
from storage.migration.known_records import NOTHING_KNOWN, Driver, known_records
from storage.migration.replacing import replace_known
from storage.migration.run import Run

_LEFT_OUT = {"_row": pl.Int64, "source_id": pl.String, "fate": pl.String}
NOTHING_LEFT_OUT = pl.DataFrame(schema=_LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Batch:
    """Mapped records ready to be written: a batch of an import, which is less than a chunk of the
    parsed file (sources.readers.chunk) where the user wants batches that small.

    `rows` are the columns of `domain.mapping.columns` plus nothing else, and `told` the same
    without what only a default value fills. `first` is the first row of each id, and `csv` its COPY
    text, if that was made beforehand.
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
        """`is_new`: all of it will be copied, probably."""
        first = rows
        if rows["source_id"].n_unique() < rows.height:
            first = rows.unique("source_id", keep="first", maintain_order=True)
        return cls(number, rows, told, first, failed, to_csv(first) if is_new else None)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: `left_out` has `_row`, `source_id` and `fate` (a Skip or REFUSED) of
    the records that changed nothing; `met` says that the tenant had some of the ids."""

    counts: Counts
    left_out: pl.DataFrame
    met: bool


async def write_records(driver: Driver, run: Run, batch: Batch, *, is_new: bool) -> BatchResult:
    """Write all records. `is_new`: the tenant probably has none of their ids, which is then tried
    first: asking costs a sixth of copying."""
    if is_new and await _copied_as_new(driver, run, batch):
        known = NOTHING_KNOWN
    else:
        known = await _insert_new(driver, run, batch)
    if known.is_empty() and batch.first is batch.rows:  # as in most migrations
        counts = Counts(inserted=batch.rows.height, failed=batch.failed)
        return BatchResult(counts, NOTHING_LEFT_OUT, met=False)
    found = fates(run, batch.rows, known)
    changed = await _take_turns(driver, run, batch, found.filter(pl.col("fate") == OPEN))
    has_changed = pl.col("_row").is_in(changed)
    after = pl.when(has_changed).then(pl.lit(UPDATED)).otherwise(pl.lit(Skip.UNCHANGED.value))
    found = found.with_columns(fate=pl.when(pl.col("fate") == OPEN).then(after).otherwise("fate"))
    return _result(found, batch.failed, met=not known.is_empty())


def _result(found: pl.DataFrame, failed: int, *, met: bool) -> BatchResult:
    number = dict(found["fate"].value_counts().iter_rows())
    left_out = found.filter(pl.col("fate").is_in([*map(str, Skip), REFUSED]))
    refused = number.get(REFUSED, 0)
    counts = Counts(
        inserted=number.get(INSERTED, 0),
        updated=number.get(UPDATED, 0),
        skipped=left_out.height - refused,
        failed=failed + refused,
    )
    return BatchResult(counts, left_out.select("_row", "source_id", "fate"), met)


async def _insert_new(driver: Driver, run: Run, batch: Batch) -> pl.DataFrame:
    """Insert the first row of each id that the tenant does not have; which ids it has."""
    # Held, so that an update overwrites no edit that it has not seen.
    hold = run.duplicates == "update"
    known = await known_records(driver, run, batch.first["source_id"], hold=hold)
    if known.is_empty():
        await _copy(driver, run, batch.first, batch.csv)
    else:
        new = batch.first.join(known, on="source_id", how="anti")
        await _copy(driver, run, new, None)
    return known


async def _take_turns(driver: Driver, run: Run, batch: Batch, open: pl.DataFrame) -> list[int]:
    """Update record after record, at once those whose ids differ; which rows changed theirs."""
    changed: list[int] = []
    for _, turn in open.sort("turn", "_row").group_by("turn", maintain_order=True):
        told = batch.told.join(turn.select("_row"), on="_row", how="semi", maintain_order="left")
        ids = await replace_known(driver, run, told, batch.number)
        changed.extend(turn.filter(turn["source_id"].is_in(ids))["_row"])
    return changed


async def _copied_as_new(driver: Driver, run: Run, batch: Batch) -> bool:
    """Whether all ids are new, and so are in: the unique index is the judge."""
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
