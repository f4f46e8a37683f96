"""The records of a CSV file of any dialect: regular ones in bulk, all others one by one.

A regular expression proves how far the next records mean the same to every CSV reader; polars
reads those. The first record beyond goes to the standard library's strict reader, which accepts
it or names what is wrong. Both ways give the same records and differ only in speed.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn

import polars as pl

from domain.failures import BadInput, Rejected
from sources.readers.chunk import ROW, Chunk, Limits, Profile
from sources.readers.csv.grammar import Grammar
from sources.readers.csv.header import Header
from sources.readers.csv.strict import StrictReader
from sources.readers.csv.window import Window
from sources.readers.encoding import BAD, BLOCK_BYTES

# Records read one by one before bulk reading is tried again: enough to pay for the attempt, few
# enough not to lose much time to one odd record.
_STRICT_RUN = 1_000
_BYTE_ORDER_MARK = "\ufeff".encode()
_REPEATED = "repeated header"
_LINES = 20  # records with invalid bytes whose line a rejection names
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Shape:
    """How the records of one file are written. `damaged`: some bytes are not valid in its encoding;
    `spaced`: blanks stand between delimiters and quotes."""

    header: Header
    damaged: bool = False
    spaced: bool = False


class Records:
    """Reads the records after the header from a window, and numbers them from 1."""

    def __init__(
        self, window: Window, strict: StrictReader, profile: Profile, limits: Limits, shape: Shape
    ) -> None:
        self._window = window
        self._strict = strict
        self._profile = profile
        self._limits = limits
        self._shape, self._header = shape, shape.header
        self._columns = [*shape.header.names]
        self._delimiter = profile.delimiter or ","
        self._grammar = Grammar(self._delimiter, len(self._columns))
        self._short = 0  # records that lack cells at their end
        self._lines_left = _LINES

    def chunks(self) -> Iterator[Chunk]:
        """Chunks of any size that account for every record."""
        window = self._window
        parsing: list[Future[pl.DataFrame]] = []
        with ThreadPoolExecutor(1) as beside:
            while window.unread or not window.ended:
                if block := self._regular_block():
                    # polars parses this block while the next one is read and proven.
                    parsing.append(beside.submit(self._parse, block))
                    if len(parsing) > 1:
                        yield self._numbered(parsing.pop(0))
                elif window.unread < BLOCK_BYTES and not window.ended:
                    window.fill(BLOCK_BYTES)
                elif parsing:
                    yield self._numbered(parsing.pop())
                elif chunk := self._irregular():
                    yield chunk
            for last in parsing:
                yield self._numbered(last)
        if self._short:
            self._profile.warnings.append(
                f"{self._short:,} records have fewer cells than the header; the cells missing at"
                " their end were read as empty"
            )

    def _regular_block(self) -> bytes:
        """The run of regular records that comes next; empty if the next record is not regular, or
        is cut off by the window's end."""
        window = self._window
        if self._shape.spaced or not self._delimiter.isascii():  # polars takes one byte only
            return b""
        start, damaged = window.start, self._shape.damaged
        end = self._grammar.regular_end(window.buffer, start, damaged)
        # polars would take this for the file's byte order mark and drop it.
        if window.buffer.startswith(_BYTE_ORDER_MARK, start):
            return b""
        window.start = end
        return window.buffer[start:end]

    def _parse(self, block: bytes) -> pl.DataFrame:
        return pl.read_csv(
            block,
            has_header=False,
            schema=dict.fromkeys(self._columns, pl.String),
            separator=self._delimiter,
            empty_string_is_null=False,
            extra_columns="raise",
            missing_columns="raise",
        )

    def _numbered(self, parsed: Future[pl.DataFrame]) -> Chunk:
        frame = self._without_headers(parsed.result())
        first = self._profile.records + 1
        self._profile.records += frame.height
        for name, size in frame.select(pl.all().str.len_bytes().max()).row(0, named=True).items():
            if size is not None and size > self._limits.field_bytes:
                row = first + int(frame[name].str.len_bytes().arg_max() or 0)
                self._refuse_length(row, name, size)
        numbers = pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True)
        return Chunk(self._named(frame).insert_column(0, numbers.alias(ROW)))

    def _without_headers(self, frame: pl.DataFrame) -> pl.DataFrame:
        position, text = self._header.mark
        cells = frame.to_series(position)
        if not cells.str.contains(text, literal=True).any():  # half the time of stripping them
            return frame
        rows = (cells.str.strip_prefix("\ufeff").str.strip_chars() == text).arg_true()
        repeated = [row for row in rows if self._header.is_repeated(frame.row(row))]
        self._ignore_header(len(repeated))
        return frame.filter(~pl.int_range(pl.len()).is_in(repeated)) if repeated else frame

    def _ignore_header(self, times: int) -> None:
        if times:
            ignored = self._profile.ignored
            ignored[_REPEATED] = ignored.get(_REPEATED, 0) + times

    def _named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame without those unnamed columns that hold no value in it."""
        for name in self._header.unnamed:
            if (frame[name].str.strip_chars() == "").all():
                frame = frame.drop(name)
            elif name not in self._profile.columns:
                self._profile.columns[name] = None
                self._profile.warnings.append(f"a column has no name; it was called {name!r}")
        return frame

    def _irregular(self) -> Chunk | None:
        """The next records one by one, whatever their shape; None if only blank lines are left."""
        good: dict[int, list[str]] = {}
        rejected: list[Rejected] = []
        short: list[list[str]] = []  # the records just before that all lack cells
        number = self._profile.records
        stop, end = number + _STRICT_RUN, self._window.position + BLOCK_BYTES
        while (short and len(short) < _STRICT_RUN) or (
            number < stop and self._window.position < end
        ):
            fields = self._strict.record(number + 1)
            if fields is None:
                break
            if self._header.is_repeated(fields):
                self._ignore_header(1)
                continue
            number, fields = number + 1, self._without_tail(fields)
            if fault := self._fault(fields, number):
                rejected.append(fault)
            else:
                good[number] = fields
            if self._lacks(fields):
                short.append(fields)
            elif short:
                rejected += self._pieces(short, number - len(short), good)
                short = []
        rejected += self._pieces(short, number + 1 - len(short), good)
        self._profile.records = number
        if not good and not rejected:
            return None
        return Chunk(self._framed(good), tuple(sorted(rejected, key=lambda each: each.row)))

    def _pieces(
        self, short: list[list[str]], first: int, good: dict[int, list[str]]
    ) -> Iterator[Rejected]:
        """Reject those of a run of short records that are pieces of one record, split by a line
        break without quotes, and take them out of `good`.

        Three or more records of one length are not taken for pieces: Excel shortens records so if
        their last cells are empty. But if two of them together are exactly as long as one record,
        they are taken for pieces unless all begin alike, as with an id.
        """
        widths = [*map(len, short)]
        alike = len(widths) > 2 and len(set(widths)) == 1 and widths[0] > 1
        fit_together = alike and 2 * widths[0] - 1 == self._header.width
        if alike and (not fit_together or len({_pattern_of(cells[0]) for cells in short}) == 1):
            return
        for number in _joining(widths, self._header.width):
            if good.pop(first + number, None) is not None:
                yield self._other_width(first + number, widths[number])

    def _framed(self, good: dict[int, list[str]]) -> pl.DataFrame:
        width = len(self._columns)
        self._short += sum(map(self._lacks, good.values()))
        rows = [fields + [""] * (width - len(fields)) for fields in good.values()]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(self._columns, pl.String), orient="row")
        return self._named(frame).insert_column(0, pl.Series(ROW, [*good], pl.Int64))

    def _lacks(self, fields: list[str]) -> bool:
        return len(fields) < self._header.width

    def _without_tail(self, fields: list[str]) -> list[str]:
        """The fields without the empty cells beyond the header that a closing delimiter makes."""
        width = len(self._columns)
        return fields if any(map(str.strip, fields[width:])) else fields[:width]

    def _fault(self, fields: list[str], number: int) -> Rejected | None:
        count = len(fields)
        doubtful = self._lacks(fields) and (count == 1 or self._strict.is_cut)
        if count > len(self._columns) or doubtful:
            return self._other_width(number, count)
        for name, value in zip(self._columns, fields, strict=False):
            if (size := len(value.encode())) > self._limits.field_bytes:
                self._refuse_length(number, name, size)
            if "\0" in value:
                detail = f"NUL in {name!r}"
                return Rejected(row=number, field=name, code="nul_not_storable", detail=detail)
            if self._shape.damaged and BAD in value:
                return self._undecodable(number, name)
        return None

    def _undecodable(self, number: int, name: str) -> Rejected:
        # Counting lines means reading the file again, so only the first rejections name theirs.
        self._lines_left -= 1
        line = f" (line {self._strict.line})" if self._lines_left >= 0 else ""
        detail = f"{name!r} holds bytes that are not UTF-8{line}"
        return Rejected(row=number, field=name, code="encoding_invalid", detail=detail)

    def _other_width(self, number: int, count: int) -> Rejected:
        detail = f"the record has {count} fields, the header {len(self._columns)}"
        return Rejected(row=number, code="column_count_mismatch", detail=detail)

    def _refuse_length(self, row: int, name: str, size: int) -> NoReturn:
        limit = self._limits.field_bytes
        detail = f"field {name!r} of record {row} is longer than {limit} bytes"
        place = {"row": row, "column": name, "limit": limit, "actual": size}
        raise BadInput("csv_field_too_large", detail, **place)


def _joining(widths: list[int], width: int) -> set[int]:
    """Which of consecutive records, with so many cells each, join to one record of that width."""
    found: set[int] = set()
    for start in range(len(widths)):
        total = widths[start]
        for end in range(start + 1, len(widths)):
            total += widths[end] - 1
            if total >= width:
                found |= {*range(start, end + 1)} if total == width else set()
                break
    return found


def _pattern_of(cell: str) -> str:
    """The cell with each run of letters as `a` and each run of digits as `0`."""
    return _LETTERS.sub("a", _DIGITS.sub("0", cell))
