"""Gather records into chunks, whether they come one by one as dicts or many at once as frames."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import polars as pl

from domain.failures import BadInput, Rejected
from sources.readers.chunk import CHUNK_ROWS, ROW, Chunk, Limits, Profile, text_bytes, total_text
from sources.readers.chunking import Room

Row = dict[str, str | None]
NAME_CHARS = 1_000  # the longest source field that a mapping can name


def chunks(
    records: Iterable[Row | Rejected | pl.DataFrame],
    profile: Profile,
    limits: Limits,
    oversize: str,
) -> Iterator[Chunk]:
    """Number the records from 1 in their order and gather them; fills `profile` on the way.

    A frame holds many records: a String column per field, null where a record has no such field.
    A Rejected takes the number of the record it stands for. Raises BadInput with code `oversize`
    for a field beyond the limit, `too_many_columns` or `column_name_invalid`.
    """
    gathered = _Gathered(profile, limits)
    for record in records:
        rest = gathered.take(record)
        while gathered.full:
            yield gathered.chunk(oversize)
            rest = gathered.take(rest) if rest is not None else None
    if gathered.room.records:
        yield gathered.chunk(oversize)


class _Gathered:
    """The records since the last chunk."""

    def __init__(self, profile: Profile, limits: Limits) -> None:
        self._profile = profile
        self._limits = limits
        self._begin()

    def _begin(self) -> None:
        self.full = False
        self.room = Room()
        self._frames: list[pl.DataFrame] = []
        self._rows: dict[int, Row] = {}
        self._rejected: list[Rejected] = []

    def take(self, record: Row | Rejected | pl.DataFrame) -> Row | Rejected | pl.DataFrame | None:
        """Take a record, or as many rows of a frame as fit; returns what did not fit, or None."""
        number = self._profile.records + 1
        if isinstance(record, pl.DataFrame):
            return self._take_frame(record, number)
        if isinstance(record, Rejected):
            self._rejected.append(record)
            self._count(1, 0, 0)
            return None
        text = _size("".join(filter(None, record.values())))
        columns = self._profile.columns
        # A field without a value makes no column, just as in a frame of many records.
        known = record.keys() <= columns.keys()
        new = [] if known else [n for n in record if n not in columns and record[n] is not None]
        if not self.room.takes(text, len(columns) + len(new)):
            self.full = True
            return record
        if new:
            _add_columns(new, number, self._profile, self._limits)
        self._rows[number] = record
        self._count(1, 1, text)
        return None

    def _take_frame(self, frame: pl.DataFrame, number: int) -> pl.DataFrame | None:
        self._close_rows()
        part, text = self._fitting(frame.head(CHUNK_ROWS - self.room.records))
        if part.height:
            self._add_new_columns(part, number)
            # As columns, not by name: polars would take the name "*" as a pattern.
            present = [each for each in part if each.name in self._profile.columns]
            numbers = pl.int_range(number, number + part.height, dtype=pl.Int64, eager=True)
            self._frames.append(
                pl.DataFrame({ROW: numbers} | {each.name: each for each in present})
            )
            self._count(part.height, part.height, text)
        rest = frame.slice(part.height)
        self.full = self.full or rest.height > 0
        return rest if rest.height else None

    def _fitting(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """The frame's first rows, as many as fit by weight, and their bytes of text."""
        columns, text = len(self._profile.columns.keys() | set(frame.columns)), total_text(frame)
        if self.room.holds(frame.height, text, columns):  # the usual case
            return frame, text
        part = frame.head(self.room.fitting(text_bytes(frame), self._columns_with(frame)))
        return part, total_text(part)

    def _count(self, records: int, rows: int, text: int) -> None:
        self._profile.records += records
        self.room.add(records, rows, text)
        self.full = self.room.records == CHUNK_ROWS

    def _columns_with(self, frame: pl.DataFrame) -> pl.Series | int:
        """How many columns the chunk has once it holds each row of the frame."""
        known = len(self._profile.columns)
        firsts = self._firsts(frame)
        if not firsts:
            return known
        places = pl.Series(sorted(firsts.values()), dtype=pl.Int64)
        rows = pl.int_range(frame.height, dtype=pl.Int64, eager=True)
        return places.search_sorted(rows, side="right").cast(pl.Int64) + known

    def _firsts(self, frame: pl.DataFrame) -> dict[str, int]:
        """The columns that are new, with the row where each has its first value."""
        return {
            name: int(frame[name].is_not_null().arg_max() or 0)
            for name in frame.columns
            if name not in self._profile.columns and frame[name].null_count() < frame.height
        }

    def _add_new_columns(self, frame: pl.DataFrame, number: int) -> None:
        """Add the new columns that have a value, in the order of the records that have it first."""
        firsts = self._firsts(frame)
        for first, names in groupby(sorted(firsts, key=firsts.__getitem__), firsts.__getitem__):
            _add_columns(names, number + first, self._profile, self._limits)

    def _close_rows(self) -> None:
        if self._rows:
            schema = dict.fromkeys(self._profile.columns, pl.String)
            fields = pl.DataFrame([*self._rows.values()], schema=schema)
            self._frames.append(fields.insert_column(0, pl.Series(ROW, [*self._rows], pl.Int64)))
            self._rows = {}

    def chunk(self, oversize: str) -> Chunk:
        self._close_rows()
        schema = {ROW: pl.Int64} | dict.fromkeys(self._profile.columns, pl.String)
        frame = pl.concat([pl.DataFrame(schema=schema), *self._frames], how="diagonal")
        rejected = self._rejected
        self._begin()
        return _checked(frame.rechunk(), rejected, self._limits, oversize)


def _size(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def _add_columns(names: Iterable[str], number: int, profile: Profile, limits: Limits) -> None:
    for name in names:
        if name == ROW or "\0" in name or len(name) > NAME_CHARS:
            detail = f"a field cannot be called {name[:50]!r} (reserved, too long or with a NUL)"
            raise BadInput("column_name_invalid", detail, row=number)
        profile.columns[name] = None
    found = len(profile.columns)
    if found > limits.columns:
        detail = f"the records have more than {limits.columns} different fields"
        raise BadInput("too_many_columns", detail, row=number, limit=limits.columns, actual=found)


def _checked(frame: pl.DataFrame, rejected: list[Rejected], limits: Limits, oversize: str) -> Chunk:
    for number, name in _places(frame, lambda text: text.str.len_bytes() > limits.field_bytes):
        detail = f"{name!r} of record {number} is longer than {limits.field_bytes} bytes"
        raise BadInput(oversize, detail, row=number, column=name, limit=limits.field_bytes)
    unstorable = {
        number: Rejected(row=number, field=name, code="nul_not_storable", detail=f"NUL in {name!r}")
        for number, name in _places(frame, lambda text: text.str.contains("\0", literal=True))
    }
    good = frame.filter(~pl.col(ROW).is_in([*unstorable])) if unstorable else frame
    in_order = sorted((*rejected, *unstorable.values()), key=lambda each: each.row)
    return Chunk(good, tuple(in_order))


def _places(frame: pl.DataFrame, test: Callable[[pl.Expr], pl.Expr]) -> Iterator[tuple[int, str]]:
    """The record number and field of every value that meets the test."""
    flags = frame.select(ROW, test(pl.col(pl.String)))
    for name in flags.columns[1:]:
        for number in flags[ROW].filter(flags[name]):
            yield number, name
