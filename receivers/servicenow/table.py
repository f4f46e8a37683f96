"""A table of the instance: its records, in the order of their last changes, and searches in it."""

import hashlib
import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from receivers.servicenow.columns import Column
from receivers.servicenow.query import UPDATED, Query, Values

_LAST = "\U0010ffff"  # sorts after every sys_id
_BY_TIME = [(UPDATED, False), ("sys_id", False)]  # the order of a table's own keys


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a journal; `at` is in UTC."""

    at: str
    by: str
    text: str


@dataclass(slots=True)
class Record:
    """A record's raw values, and its journals by column, the oldest entry first."""

    values: dict[str, str]
    journals: dict[str, list[Entry]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.values[UPDATED], self.values["sys_id"]


def now() -> str:
    """The time as the database has it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Table:
    """`records` are by sys_id."""

    def __init__(self, name: str, columns: Mapping[str, Column]) -> None:
        self.name, self.columns = name, columns
        self.records: dict[str, Record] = {}
        self._keys: list[tuple[str, str]] = []  # sorted: (sys_updated_on, sys_id)
        self._numbers, self._ids = itertools.count(10_001), itertools.count()

    def number(self) -> str:
        return f"INC{next(self._numbers):07}"

    def new_id(self) -> str:
        seed = f"{self.name} {next(self._ids)}"
        return hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()

    def fill(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Add many records at once, which have at least a sys_id; no rule looks at them."""
        for row in rows:
            at = row.get(UPDATED) or now()
            system = {"sys_created_on": at, UPDATED: at, "sys_mod_count": "0"}
            self.records[row["sys_id"]] = Record(system | dict(row))
        self._keys = sorted(record.key for record in self.records.values())

    def keep(self, record: Record) -> None:
        """Add a record, or note that it was changed: `touched` comes before a change."""
        self.records[record.values["sys_id"]] = record
        insort(self._keys, record.key)

    def touched(self, record: Record) -> None:
        """Take a record out of the order, as it is about to be changed or was deleted."""
        self._keys.pop(bisect_left(self._keys, record.key))

    def delete(self, record: Record) -> None:
        self.touched(record)
        del self.records[record.values["sys_id"]]

    def select(
        self, query: Query, offset: int, limit: int, *, counts: bool
    ) -> tuple[list[Record], int | None]:
        """A page of what passes, and how much passes in all."""
        keys = self._within(*query.bounds())
        if query.order == _BY_TIME[: len(query.order)] and (query.is_span or not counts):
            found = self._first(keys, query, offset + limit)
            return found[offset:], len(keys) if counts else None
        passes = query.passes()
        rows = [self.records[id] for _, id in keys if passes(self.records[id].values)]
        for column, descending in reversed(query.order):
            rows.sort(key=lambda row: self._sorted_by(row.values, column), reverse=descending)
        return rows[offset : offset + limit], len(rows)

    def _within(self, low: str, high: str) -> list[tuple[str, str]]:
        start = bisect_left(self._keys, (low, ""))
        end = bisect_right(self._keys, (high, _LAST)) if high else len(self._keys)
        return self._keys[start:end]

    def _first(self, keys: list[tuple[str, str]], query: Query, most: int) -> list[Record]:
        passes = query.passes()
        rows = (self.records[id] for _, id in keys)
        return list(itertools.islice((row for row in rows if passes(row.values)), most))

    def _sorted_by(self, values: Values, column: str) -> tuple[int, str]:
        held = values.get(column, "")
        is_number = self.columns[column].kind == "integer" and held.isdecimal()
        return int(held) if is_number else 0, held
