"""Writes the records of a batch as if they came one after another.

The first record of each id is inserted, or meets the record that the tenant has. Where an update is
wanted, the next ones of an id follow in turns, so that the borders of batches make no difference.
"""

from dataclasses import dataclass, field
from typing import Self

import asyncpg
import polars as pl

from domain.migration import Counts, Skip
from storage.copying import copy_columns, copy_rows, to_csv
from storage.known import NOTHING_KNOWN, Driver, known_records
from storage.replacing import replace_known, weighed
from storage.run import Run

_SKIPPED = {"_row": pl.Int64, "source_id": pl.String, "reason": pl.String}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Mapped records ready to be written: a batch of an import, which is less than a chunk of the
    parsed file (sources.batch) where the user wants batches that small.

    `rows` are the columns of `domain.columns` plus nothing else, and `told` the same without what
    only a default value fills. `csv` is the COPY text of `first`, the first row of each id.
    """

    number: int
    rows: pl.DataFrame
    told: pl.DataFrame
    first: pl.DataFrame
    csv: bytes
    failed: int

    @classmethod
    def of(cls, number: int, rows: pl.DataFrame, told: pl.DataFrame, failed: int) -> Self:
        first = rows
        if rows["source_id"].n_unique() < rows.height:
            first = rows.unique("source_id", keep="first", maintain_order=True)
        return cls(number, rows, told, first, to_csv(first), failed)


@dataclass(slots=True)
class Fates:
    """What became of the records of a batch: how many were inserted, updated and refused, and
    which were left as they were, and why."""

    inserted: int = 0
    updated: int = 0
    failed: int = 0
    met: bool = False  # records that the tenant had
    skips: list[pl.DataFrame] = field(default_factory=list)

    def skip(self, rows: pl.DataFrame, reason: Skip) -> None:
        if not rows.is_empty():
            self.skips.append(rows.select("_row", "source_id", reason=pl.lit(reason)))

    @property
    def skipped(self) -> pl.DataFrame:
        """`_row`, `source_id` and `reason` of the records that were left as they were."""
        return pl.concat(self.skips or [pl.DataFrame(schema=_SKIPPED)]).sort("_row")

    @property
    def counts(self) -> Counts:
        skipped = sum(each.height for each in self.skips)
        return Counts(
            inserted=self.inserted, updated=self.updated, skipped=skipped, failed=self.failed
        )


async def write_records(driver: Driver, run: Run, chunk: Chunk, *, is_new: bool) -> Fates:
    """Write all records. `is_new`: the tenant probably has none of their ids, which is then tried
    first: asking costs a sixth of copying."""
    fates = Fates(failed=chunk.failed)
    known = await _write_first(driver, run, chunk, fates, is_new=is_new)
    if chunk.first.height < chunk.rows.height:
        await _write_repeated(driver, run, chunk, known, fates)
    return fates


async def _write_first(
    driver: Driver, run: Run, chunk: Chunk, fates: Fates, *, is_new: bool
) -> pl.DataFrame:
    """Insert the first row of each id, or let it meet what the tenant has: which are known."""
    if is_new and await _copied_as_new(driver, run, chunk):
        fates.inserted = chunk.first.height
        return NOTHING_KNOWN
    # Held, so that an update overwrites no edit that it has not seen.
    hold = run.duplicates == "update"
    known = await known_records(driver, run, chunk.first["source_id"], hold=hold)
    fates.met = not known.is_empty()
    new = chunk.first.join(known, on="source_id", how="anti")
    await _copy(driver, run, new, to_csv(new) if fates.met else chunk.csv)
    fates.inserted = new.height
    if fates.met:
        told = _told(chunk.first, chunk).join(known.select("source_id"), on="source_id", how="semi")
        await _meet(driver, run, chunk, (told, known), fates)
    return known


async def _meet(
    driver: Driver, run: Run, chunk: Chunk, what: tuple[pl.DataFrame, pl.DataFrame], fates: Fates
) -> None:
    """Decide of the rows, one for each id, whose records the tenant has."""
    told, known = what
    if run.duplicates == "refuse":
        fates.failed += told.height
    elif run.duplicates == "skip":
        mine = known.filter("mine")["source_id"].implode()
        fates.skip(told.filter(~told["source_id"].is_in(mine)), Skip.EXISTS)
        fates.skip(told.filter(told["source_id"].is_in(mine)), Skip.REPEATED)
    else:
        found = weighed(run, told, known)
        kept = told["source_id"].is_in(found.filter("kept")["source_id"].implode())
        fates.skip(told.filter(kept), Skip.EDITED)
        open = told["source_id"].is_in(found.filter("open")["source_id"].implode())
        fates.skip(told.filter(~kept & ~open), Skip.UNCHANGED)
        await _replace(driver, run, chunk, told.filter(open), fates)


async def _replace(
    driver: Driver, run: Run, chunk: Chunk, told: pl.DataFrame, fates: Fates
) -> None:
    changed = await replace_known(driver, run, told, chunk.number)
    fates.updated += len(changed)
    fates.skip(told.filter(~told["source_id"].is_in(changed)), Skip.UNCHANGED)


async def _write_repeated(
    driver: Driver, run: Run, chunk: Chunk, known: pl.DataFrame, fates: Fates
) -> None:
    """Decide of the rows whose id an earlier row of the batch has, turn by turn."""
    later = chunk.rows.select(
        "_row",
        "source_id",
        turn=pl.col("source_id").cum_count().over("source_id"),
        same=pl.col("content_hash") == pl.col("content_hash").shift(1).over("source_id"),
    ).filter(pl.col("turn") > 1)
    theirs = known.filter(~pl.col("mine"))
    has_theirs = later["source_id"].is_in(theirs["source_id"].implode())
    if run.duplicates == "refuse":
        fates.failed += later.height
    elif run.duplicates == "skip":
        fates.skip(later.filter(has_theirs), Skip.EXISTS)
        fates.skip(later.filter(~has_theirs), Skip.REPEATED)
    else:
        kept = weighed(run, chunk.first, known).filter("kept")["source_id"].implode()
        is_kept = later["source_id"].is_in(kept)
        fates.skip(later.filter(is_kept), Skip.EDITED)
        later = later.filter(~is_kept)
        # What says the same as the one before it changes nothing, and takes no turn.
        fates.skip(later.filter("same"), Skip.UNCHANGED)
        turns = later.filter(~pl.col("same")).sort("turn", "_row")
        for _, turn in turns.group_by("turn", maintain_order=True):
            await _replace(driver, run, chunk, _told(turn, chunk), fates)


def _told(rows: pl.DataFrame, chunk: Chunk) -> pl.DataFrame:
    return chunk.told.join(rows.select("_row"), on="_row", how="semi", maintain_order="left")


async def _copied_as_new(driver: Driver, run: Run, chunk: Chunk) -> bool:
    """Whether all ids are new, and so are in: the unique index is the judge."""
    try:
        async with driver.transaction():
            await _copy(driver, run, chunk.first, chunk.csv)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def _copy(driver: Driver, run: Run, rows: pl.DataFrame, csv: bytes) -> None:
    if not rows.is_empty():
        await copy_rows(driver, (run.tenant_id.schema, run.table), copy_columns(rows), csv)
