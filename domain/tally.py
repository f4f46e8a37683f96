"""Counts a whole file before anything is written. Imports polars: not for workflows or the API."""

from dataclasses import dataclass, field

import polars as pl
import polars_hash as plh

from domain.migration import Counts, Duplicates

JUDGED = {"source_id": pl.String, "kept": pl.Boolean, "changes": pl.Boolean}
NOTHING_JUDGED = pl.DataFrame(schema=JUDGED)


@dataclass(slots=True)
class RecordTally:
    """Gathers the mapped rows of a file in file order; however they are cut into batches.

    34 bytes a row, and 8 more where records are one `by_number` (`external_id`), whatever their
    ids. Identities are compared by their 64-bit XXH3 (two of a million ids meet with a probability
    of 3e-8).
    """

    by_number: bool = False
    _seen: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame, judged: pl.DataFrame = NOTHING_JUDGED) -> None:
        """Count `Mapped.rows`; `judged` has a row for each of their ids that the target has
        already: whether that record is `kept` as it is, and whether the first row of this batch
        `changes` it."""
        number = self.by_number and "external_id" in rows.columns
        if judged.is_empty():  # as in most migrations
            nothing = pl.lit(None, pl.Boolean)
            known = rows.with_columns(kept=nothing, changes=nothing)
        else:
            known = rows.join(judged, on="source_id", how="left", maintain_order="left")
        self._seen.append(
            known.select(
                row=pl.col("_row").cast(pl.Int64),
                id=_hash("source_id"),
                number=_hash("external_id") if number else pl.lit(None, pl.UInt64),
                content="content_hash",
                known=pl.col("kept").is_not_null(),
                kept=pl.col("kept").fill_null(False),
                changes=pl.col("changes").fill_null(False),
            )
        )

    @property
    def duplicates(self) -> int:
        """How many rows are of a record that an earlier row of the file is of."""
        return int((~self._rows("update")["first"]).sum())

    @property
    def known(self) -> int:
        """How many rows have a source_id that the target has."""
        return sum(int(batch["known"].sum()) for batch in self._seen)

    @property
    def kept(self) -> int:
        """How many rows would change nothing, since somebody has edited the target's record."""
        return sum(int(batch["kept"].sum()) for batch in self._seen)

    def repeated(self) -> pl.Series:
        """The numbers of the rows whose record an earlier row or the target has."""
        return self._rows("refuse").filter(~_INSERTED)["row"].sort()

    def counts(self, duplicates: Duplicates) -> Counts:
        """The outcome if records that exist, or came before, are skipped, updated or refused.

        An update that changes nothing is a skip: the row is like its predecessor, which is the
        row before it with the same id, or else the record that exists.
        """
        changed = ~pl.col("kept") & pl.when("first").then("changes").otherwise("other")
        sums = {"a": _INSERTED.sum(), "b": (~_INSERTED & changed).sum(), "n": pl.len()}
        inserted, changes, total = self._rows(duplicates).select(**sums).row(0)
        if duplicates == "refuse":
            return Counts(inserted=inserted, failed=total - inserted)
        updated = changes if duplicates == "update" else 0
        return Counts(inserted=inserted, updated=updated, skipped=total - inserted - updated)

    def _rows(self, duplicates: Duplicates) -> pl.DataFrame:
        """All rows by id, with whether each is the `first` of its id or else is `other` than the
        one before it."""
        if not self._seen:
            self.add(_NO_ROWS)
        rows = pl.concat(self._seen)
        if self.by_number:
            rows = rows.with_columns(id=_id_of_number(duplicates))
        rows = rows.sort("id", maintain_order=True)
        return rows.with_columns(
            first=pl.col("id").ne_missing(pl.col("id").shift(1)),
            other=pl.col("content").ne_missing(pl.col("content").shift(1)),
        )


def _id_of_number(duplicates: Duplicates) -> pl.Expr:
    """That of the first row that is written with the number; see `storage.matching`."""
    writes = pl.lit(True) if duplicates == "update" else ~pl.col("known")
    first = pl.col("id").filter(writes).first().over("number")
    is_new = pl.col("number").is_not_null() & ~pl.col("known")
    return pl.when(is_new).then(first).otherwise("id")


_INSERTED = pl.col("first") & ~pl.col("known")
_NO_ROWS = pl.DataFrame(schema={"_row": pl.Int64, "source_id": pl.String, "content_hash": pl.Int64})


@dataclass(slots=True)
class NumberTally:
    """Whether a file has each number (`external_id`) once, by 64-bit XXH3: 16 bytes a row."""

    _seen: list[pl.DataFrame] = field(default_factory=list)

    def add(self, numbers: pl.DataFrame) -> None:
        """Count what `numbers_of` gave for more rows."""
        self._seen.append(numbers)

    @property
    def are_unique(self) -> bool:
        """No two records have the same number, but those of one id."""
        if not self._seen:
            return True
        pairs = pl.concat(self._seen).unique()
        return pairs["number"].n_unique() == pairs.height


def numbers_of(rows: pl.DataFrame) -> pl.DataFrame:
    """What a NumberTally takes of `Mapped.rows`; where there are many, to be made beside others."""
    if "external_id" not in rows.columns:
        return pl.DataFrame(schema=_NUMBERS)
    named = rows.filter(pl.col("external_id").is_not_null())
    return named.select(number=_hash("external_id"), id=_hash("source_id"))


_NUMBERS = {"number": pl.UInt64, "id": pl.UInt64}


def _hash(name: str) -> pl.Expr:
    return plh.NonCryptographicHashingNameSpace(pl.col(name)).xxh3_64()
