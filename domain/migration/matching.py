"""Decides which record each row of a file belongs to: by its id, or by its number as well.

Rows are taken one after another, so that it does not matter how a file is cut. A row belongs to the
record with its id; else to the record that an earlier row with its id was matched to; else to the
only record with its number, if the user wants that; else to a new record. Imports polars: not for
workflows or the API.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from domain.migration.job import Duplicates, Match

Key: TypeAlias = Any  # an id or a number: all are strings, or all are their hashes


@dataclass(frozen=True, slots=True)
class Matching:
    """How rows are matched. `by` says which records are found by their number. If `duplicates` is
    "update", a row with a number gives it to its record; with `empties`, a row without a number
    takes the record's number away."""

    by: Match = "never"
    duplicates: Duplicates = "skip"
    empties: bool = False


NEVER = Matching()


def matched(rows: pl.DataFrame, held: pl.DataFrame, how: Matching) -> pl.Series:
    """The id of the record that each row belongs to.

    `rows` have `id` and `number`, in file order. `held` are records of the target, with `id`,
    `number` and whether they are `kept` as they are. Needed are all records that have the number of
    a row, and the records with the ids of rows that share their number with such a record, or their
    id or number with another row.
    """
    if how.by == "never" or (how.by == "without_id" and held.is_empty()):
        return rows["id"]
    alone = _matched_alone(rows, held, how.by)
    tangled = _tangled(rows, held)
    if not tangled.any():
        return alone
    some = rows.filter(tangled)
    concerned = pl.col("id").is_in(some["id"].implode()) | pl.col("number").is_in(
        some["number"].implode()
    )
    records = _Records(held.filter(concerned), how)
    found = pl.Series([records.take(*row) for row in some.select("id", "number").iter_rows()])
    return alone.scatter(tangled.arg_true(), found.cast(alone.dtype))


def _matched_alone(rows: pl.DataFrame, held: pl.DataFrame, by: Match) -> pl.Series:
    """Like `matched`, for rows that share their record with no other row."""
    numbered = held.filter(pl.col("number").is_not_null())
    only = numbered.filter(pl.len().over("number") == 1).select("number", other="id")
    met = rows.join(only, on="number", how="left", maintain_order="left")
    is_that = ~pl.col("id").is_in(held["id"].implode()) & _may_be(by)
    return met.select(pl.when(is_that).then("other").otherwise("id"))["other"].alias("id")


def _may_be(by: Match) -> pl.Expr:
    """Whether `other`, the record with the row's number, may be the row's record. Unless the user
    matches by number, exactly one of the two must have its number as its id."""
    if by == "number":
        return pl.col("other").is_not_null()
    return (pl.col("id") == pl.col("number")) ^ (pl.col("other") == pl.col("number"))


def _tangled(rows: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """Whether a row's record depends on other rows. It does if the row shares its id but not its
    number, or its number but not its id, with another row; or if a record of the target has the id
    of one row and the number of another."""
    several = pl.col("number").n_unique().over("id") > 1
    shared = pl.col("number").is_not_null() & (pl.col("id").n_unique().over("number") > 1)
    ids, numbers = rows["id"].implode(), rows["number"].implode()
    meeting = held.filter(pl.col("id").is_in(ids) & pl.col("number").is_in(numbers))
    meeting = meeting.join(rows, on=["id", "number"], how="anti")
    meets = pl.col("id").is_in(meeting["id"].implode()) | pl.col("number").is_in(
        meeting["number"].implode()
    )
    return rows.select(several | shared | meets.fill_null(False)).to_series()


class _Records:
    """The records of the target, as they change from row to row."""

    def __init__(self, held: pl.DataFrame, how: Matching) -> None:
        self._how = how
        self._numbers: dict[Key, Key] = {}
        self._holders: defaultdict[Key, set[Key]] = defaultdict(set)
        self._taken_for: dict[Key, Key] = {}
        for id, number in held.select("id", "number").iter_rows():
            self._give(id, number)
        self._kept = set(held.filter("kept")["id"])

    def take(self, id: Key, number: Key) -> Key:
        """Apply a row, and return the id of its record."""
        found = id if id in self._numbers else self._taken_for.get(id)
        if found is None and number is not None and self._of_number(id, number):
            [found] = self._holders[number]
            self._taken_for[id] = found
        if found is None:
            found = id
            self._give(id, number)
        elif self._is_written(found) and (number is not None or self._how.empties):
            self._give(found, number)
        return found

    def _of_number(self, id: Key, number: Key) -> bool:
        holders = self._holders[number]
        if len(holders) != 1:
            return False
        return self._how.by == "number" or (id == number) != (number in holders)

    def _is_written(self, id: Key) -> bool:
        return self._how.duplicates == "update" and id not in self._kept

    def _give(self, id: Key, number: Key) -> None:
        self._holders[self._numbers.get(id)].discard(id)
        self._numbers[id] = number
        if number is not None:
            self._holders[number].add(id)
