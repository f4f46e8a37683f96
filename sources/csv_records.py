"""CSV of any dialect: RFC 4180 at the speed of columns, everything else record by record.

A regular expression proves how far the next records mean the same to every CSV reader; polars
reads those. The first record beyond goes to the standard library's strict reader, which accepts
it or names what is wrong. Both ways give the same records, so which one was taken shows only
in the time.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NoReturn

import polars as pl

from domain.failures import BadInput, Rejected
from sources.batch import ROW, Batch, Limits, Profile
from sources.csv_grammar import Grammar
from sources.csv_strict import StrictReader
from sources.csv_window import Window
from sources.encoding import BLOCK_BYTES

# Enough to pay for going back to the fast way, few enough not to lose much to one odd record.
_STRICT_RUN = 1_000
_BYTE_ORDER_MARK = "\ufeff".encode()


class Records:
    """The records of a window that stands behind the header, numbered from 1."""

    def __init__(
        self, window: Window, strict: StrictReader, profile: Profile, limits: Limits
    ) -> None:
        self._window = window
        self._strict = strict
        self._profile = profile
        self._limits = limits
        self._columns = [*profile.columns]
        self._delimiter = profile.delimiter or ","
        self._grammar = Grammar(self._delimiter, len(self._columns))

    def batches(self) -> Iterator[Batch]:
        """Batches of any size that account for every record."""
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
                elif batch := self._irregular():
                    yield batch
            for last in parsing:
                yield self._numbered(last)

    def _regular_block(self) -> bytes:
        """The regular records next in the window; empty if the next one is not (or is cut)."""
        window = self._window
        start, end = window.start, self._grammar.regular_end(window.buffer, window.start)
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

    def _numbered(self, parsed: Future[pl.DataFrame]) -> Batch:
        frame = parsed.result()
        first = self._profile.records + 1
        self._profile.records += frame.height
        for name, size in frame.select(pl.all().str.len_bytes().max()).row(0, named=True).items():
            if size > self._limits.field_bytes:
                row = first + int(frame[name].str.len_bytes().arg_max() or 0)
                self._refuse_length(row, name, size)
        numbers = pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True)
        return Batch(frame.insert_column(0, numbers.alias(ROW)))

    def _irregular(self) -> Batch | None:
        """The next records one by one, whatever their shape; None if only blank lines are left."""
        good: dict[int, list[str]] = {}
        rejected: list[Rejected] = []
        number = self._profile.records
        stop, end = number + _STRICT_RUN, self._window.position + BLOCK_BYTES
        while number < stop and self._window.position < end:
            fields = self._strict.record(number + 1)
            if fields is None:
                break
            number += 1
            if fault := self._fault(fields, number):
                rejected.append(fault)
            else:
                good[number] = fields
        self._profile.records = number
        if not good and not rejected:
            return None
        columns = dict.fromkeys(self._columns, pl.String)
        frame = pl.DataFrame([*good.values()], schema=columns, orient="row")
        numbers = pl.Series(ROW, [*good], pl.Int64)
        return Batch(frame.insert_column(0, numbers), tuple(rejected))

    def _fault(self, fields: list[str], number: int) -> Rejected | None:
        if len(fields) != len(self._columns):
            detail = f"the record has {len(fields)} fields, the header {len(self._columns)}"
            return Rejected(row=number, code="column_count_mismatch", detail=detail)
        for name, value in zip(self._columns, fields, strict=True):
            if (size := len(value.encode())) > self._limits.field_bytes:
                self._refuse_length(number, name, size)
            if "\0" in value:
                detail = f"NUL in {name!r}"
                return Rejected(row=number, field=name, code="nul_not_storable", detail=detail)
        return None

    def _refuse_length(self, row: int, name: str, size: int) -> NoReturn:
        limit = self._limits.field_bytes
        detail = f"field {name!r} of record {row} is longer than {limit} bytes"
        place = {"row": row, "column": name, "limit": limit, "actual": size}
        raise BadInput("csv_field_too_large", detail, **place)
