"""Counts a whole file before anything is written. Imports polars: not for workflows or the API."""

from dataclasses import dataclass, field

import polars as pl
import polars_hash as plh

from domain.migration.job import Counts
from domain.migration.matching import NEVER, Matching, matched

HELD = {"id": pl.String, "number": pl.String, "kept": pl.Boolean}
NOTHING_HELD = pl.DataFrame(schema=HELD)


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """What a tally takes of `Mapped.rows`; where there are many, to be made beside others."""
    numbered = "external_id" in rows.columns
    return rows.select(
        row=pl.col("_row").cast(pl.Int64),
        id=_hash("source_id"),
        number=_hash("external_id") if numbered else pl.lit(None, pl.UInt64),
        content="content_hash",
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """What a file would do to its target. `rows` are in file order, with the `record` that each is
    of, and whether that is `known` to the target, and `kept` there as it is; `held` is what the
    target has."""

    how: Matching
    rows: pl.DataFrame
    held: pl.DataFrame

    @property
    def duplicates(self) -> int:
        """How many rows are of a record that an earlier row of the file is of."""
        rows = self.rows
        return rows.height - rows["record"].n_unique()

    @property
    def known(self) -> int:
        """How many rows are of a record that the target has."""
        return int(self.rows["known"].sum())

    @property
    def kept(self) -> int:
        """How many rows would change nothing, since somebody has edited the target's record."""
        return int(self.rows["kept"].sum())

    @property
    def numbers_are_unique(self) -> bool:
        """No two records have the same number, but those of one id."""
        pairs = self.rows.filter(pl.col("number").is_not_null()).select("id", "number").unique()
        return pairs["number"].n_unique() == pairs.height

    @property
    def matches(self) -> bool:
        """Whether a row is of a record that has another id."""
        return bool((self.rows["record"] != self.rows["id"]).any())

    def found_by_number(self) -> pl.Series:
        """The numbers of the rows that are of a record which the target has under another id."""
        return self.rows.filter("known", pl.col("record") != pl.col("id"))["row"]

    def known_otherwise(self) -> pl.Series:
        """The numbers of the rows that are not, though their number is there under another id."""
        is_held = pl.col("number").is_in(self.held["number"].implode())
        return self.rows.filter(is_held, ~pl.col("known"))["row"]

    def repeated(self) -> pl.Series:
        """The numbers of the rows whose record an earlier row or the target has."""
        return self._in_turns().filter(~_INSERTED)["row"].sort()

    def counts(self) -> Counts:
        """The outcome if records that exist, or came before, are treated as the user wants.

        An update that changes nothing is a skip: the row is like its predecessor, which is the
        row before it of the same record, or else the record that exists.
        """
        changed = ~pl.col("kept") & pl.when("first").then("changes").otherwise("other").fill_null(
            True
        )
        sums = {"a": _INSERTED.sum(), "b": (~_INSERTED & changed).sum(), "n": pl.len()}
        inserted, changes, total = self._in_turns().select(**sums).row(0)
        if self.how.duplicates == "refuse":
            return Counts(inserted=inserted, failed=total - inserted)
        updated = changes if self.how.duplicates == "update" else 0
        return Counts(inserted=inserted, updated=updated, skipped=total - inserted - updated)

    def _in_turns(self) -> pl.DataFrame:
        """All rows by record, with whether each is the `first` of its record or else is `other`
        than the one before it."""
        rows = self.rows.sort("record", maintain_order=True)
        return rows.with_columns(
            first=pl.col("record").ne_missing(pl.col("record").shift(1)),
            other=pl.col("content").ne_missing(pl.col("content").shift(1)),
        )


@dataclass(slots=True)
class RecordTally:
    """Gathers the mapped rows of a file in file order; however they are cut into batches.

    33 bytes a row, and 17 for each record that the target has. `settled` takes 300 bytes a row and,
    in a Python loop, 9 s for a million where records are matched by their number and each number
    comes twice, under different ids. Identities are compared by their 64-bit XXH3 (two of a million
    ids meet with a probability of 3e-8).
    """

    how: Matching = NEVER
    _seen: list[pl.DataFrame] = field(default_factory=list)
    _held: list[pl.DataFrame] = field(default_factory=list)

    def add(
        self,
        rows: pl.DataFrame,
        held: pl.DataFrame = NOTHING_HELD,
        changes: pl.Series | None = None,
    ) -> None:
        """Count what `counted` gave for more rows. `held` are the records that the target has of
        their ids and numbers; `changes` says of a row whether it would change the one that is
        its own, as far as that was looked at; else it is taken for granted."""
        unknown = pl.lit(None, pl.Boolean)
        self._seen.append(rows.with_columns(changes=unknown if changes is None else changes))
        if not held.is_empty():
            hashed = held.select("kept", id=_hash("id"), number=_hash("number"))
            self._held.append(hashed.select("id", "number", "kept"))

    def settled(self) -> Tally:
        """The tally of all rows. Takes seconds for a million that repeat: for a thread."""
        rows = pl.concat([_NO_ROWS, *self._seen])
        held = pl.concat([_NO_RECORDS, *self._held]).unique("id", keep="first")
        rows = rows.with_columns(matched(rows, held, self.how).alias("record"))
        kept = held.select("kept", record="id")
        rows = rows.join(kept, on="record", how="left", maintain_order="left")
        rows = rows.with_columns(
            known=pl.col("kept").is_not_null(), kept=pl.col("kept").fill_null(False)
        )
        return Tally(self.how, rows, held)


_INSERTED = pl.col("first") & ~pl.col("known")
_SEEN = {
    "row": pl.Int64,
    "id": pl.UInt64,
    "number": pl.UInt64,
    "content": pl.Int64,
    "changes": pl.Boolean,
}
_NO_ROWS = pl.DataFrame(schema=_SEEN)
_NO_RECORDS = pl.DataFrame(schema={"id": pl.UInt64, "number": pl.UInt64, "kept": pl.Boolean})


def _hash(name: str) -> pl.Expr:
    return plh.NonCryptographicHashingNameSpace(pl.col(name)).xxh3_64()
