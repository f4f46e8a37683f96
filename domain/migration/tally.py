"""Counts a whole file before anything is written. Imports polars: not for workflows or the API."""

from dataclasses import dataclass, field

import polars as pl
import polars_hash as plh

from domain.migration.job import Counts
from domain.migration.matching import NEVER, Matching, matched

HELD = {"id": pl.String, "number": pl.String, "kept": pl.Boolean}
NOTHING_HELD = pl.DataFrame(schema=HELD)


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """What `RecordTally.add` needs of `Mapped.rows`, with ids and numbers as hashes. Several
    batches can be hashed at once, but must be added in file order."""
    numbered = "external_id" in rows.columns
    return rows.select(
        row=pl.col("_row").cast(pl.Int64),
        id=_hash("source_id"),
        number=_hash("external_id") if numbered else pl.lit(None, pl.UInt64),
        content="content_hash",
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """What a file would do to its target. `rows` are in file order, each with the id of its
    `record`, whether the target has that record (`known`), and whether an update leaves that
    record as it is (`kept`). `held` are the records that the target has."""

    how: Matching
    rows: pl.DataFrame
    held: pl.DataFrame

    @property
    def duplicates(self) -> int:
        """How many rows belong to the same record as an earlier row of the file."""
        rows = self.rows
        return rows.height - rows["record"].n_unique()

    @property
    def known(self) -> int:
        """How many rows belong to a record that the target has."""
        return int(self.rows["known"].sum())

    @property
    def kept(self) -> int:
        """How many rows would change nothing, since somebody has edited the target's record."""
        return int(self.rows["kept"].sum())

    @property
    def numbers_are_unique(self) -> bool:
        """Whether rows with the same number always have the same id."""
        pairs = self.rows.filter(pl.col("number").is_not_null()).select("id", "number").unique()
        return pairs["number"].n_unique() == pairs.height

    @property
    def matches(self) -> bool:
        """Whether some row belongs to a record with another id."""
        return bool((self.rows["record"] != self.rows["id"]).any())

    def found_by_number(self) -> pl.Series:
        """The row numbers of those rows whose record the target has under another id."""
        return self.rows.filter("known", pl.col("record") != pl.col("id"))["row"]

    def known_otherwise(self) -> pl.Series:
        """The row numbers of those rows whose record is new, although the target has their number
        under another id."""
        is_held = pl.col("number").is_in(self.held["number"].implode())
        return self.rows.filter(is_held, ~pl.col("known"))["row"]

    def repeated(self) -> pl.Series:
        """The row numbers of those rows whose record the target, or an earlier row, has already."""
        return self._in_turns().filter(~_INSERTED)["row"].sort()

    def counts(self) -> Counts:
        """The outcome of the import, if records that exist, or come again, are treated as the user
        wants.

        An update that changes nothing counts as skipped: the row equals the row before it of the
        same record, or, for the first row, the record that the target has.
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
        """All rows, sorted by record, with whether each is the `first` of its record, and whether
        its content is `other` than that of the row before it."""
        rows = self.rows.sort("record", maintain_order=True)
        return rows.with_columns(
            first=pl.col("record").ne_missing(pl.col("record").shift(1)),
            other=pl.col("content").ne_missing(pl.col("content").shift(1)),
        )


@dataclass(slots=True)
class RecordTally:
    """Gathers the mapped rows of a file in file order, however they are cut into batches.

    It holds 33 bytes a row, and 17 for each record that the target has. `settled` takes 300 bytes a
    row; if records are matched by their number, and each number comes twice, under different ids,
    it takes 9 s for a million rows, in a Python loop. Identities are compared by their 64-bit XXH3
    (two of a million ids collide with a probability of 3e-8).
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
        """Add more rows, as `counted` returns them. `held` are the target's records with their ids
        or numbers. `changes` says per row whether it would change the target's record; a null, or
        None for all rows, means that nobody compared them, and counts as a change."""
        unknown = pl.lit(None, pl.Boolean)
        self._seen.append(rows.with_columns(changes=unknown if changes is None else changes))
        if not held.is_empty():
            hashed = held.select("kept", id=_hash("id"), number=_hash("number"))
            self._held.append(hashed.select("id", "number", "kept"))

    def settled(self) -> Tally:
        """The tally of all rows. For a million rows that repeat ids or numbers it takes seconds, so
        call it in a thread."""
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
