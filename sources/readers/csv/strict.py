"""Read CSV records one by one with the standard library's strict reader, and name each fault."""

import csv
from collections.abc import Iterator
from typing import Any, NoReturn

from domain.failures import BadInput
from sources.readers.chunk import Limits
from sources.readers.csv.grammar import Grammar, opening_quote
from sources.readers.csv.window import Window


class StrictReader:
    """Reads records of any shape from a window that stands at the start of one."""

    def __init__(
        self, window: Window, delimiter: str, limits: Limits, spaced: bool = False
    ) -> None:
        # The limit is process-wide; its default is 131,072 characters.
        csv.field_size_limit(limits.record_bytes)
        self._window = window
        self._delimiter = delimiter
        self._limits = limits
        self._grammar = Grammar(delimiter, 1)
        self._record: list[str] = []
        self._begin = window.position
        self._exhausted = False
        self._reader = csv.reader(
            self._lines(), delimiter=delimiter, strict=True, skipinitialspace=spaced
        )

    @property
    def line(self) -> int:
        """The line, from 1, where the last record begins. Slow, as it reads the file again."""
        return self._window.line_number(self._begin)

    @property
    def is_cut(self) -> bool:
        """Whether the last record's line has no end, as where a file was cut."""
        return bool(self._record) and not self._record[-1].endswith(("\n", "\r"))

    def record(self, number: int) -> list[str] | None:
        """The next record's fields, or None at the file's end; errors name it by `number`.

        Lines without any character are no records (RFC 4180 does not know them; Excel and shell
        tools leave them at the end). Raises BadInput `csv_unclosed_quote`,
        `csv_malformed_quote`, and for a record beyond the limit also `csv_field_too_large` and
        `record_too_large`.
        """
        fields: list[str] = []
        while not fields:
            self._record.clear()
            self._begin = self._window.position
            try:
                fields = next(self._reader)
            except StopIteration:
                return None
            except csv.Error:
                self._refuse_quote(number)
            except _TooLong:
                self._refuse_length(number)
        self._check_escapes(number)
        return fields

    def _lines(self) -> Iterator[str]:
        size = 0
        while line := self._window.line(self._limits.record_bytes):
            size = len(line) if not self._record else size + len(line)
            text = line.decode(errors="replace")
            # A file that was appended to another may begin with its byte order mark.
            self._record.append(text if self._record else text.removeprefix("\ufeff"))
            if size > self._limits.record_bytes:
                raise _TooLong
            yield self._record[-1]
        self._exhausted = True

    def _check_escapes(self, number: int) -> None:
        text = "".join(self._record)
        if '\\"' in text and self._grammar.is_backslash_escaped(text):
            detail = r"quotes are written as \" here, not doubled, which shifts the columns"
            self._refuse("csv_malformed_quote", detail, number)

    def _refuse_quote(self, number: int) -> NoReturn:
        if self._exhausted:
            text = "".join(self._record)
            before = text[: opening_quote(text)].encode()
            line = self._window.line_number(self._begin + len(before))
            detail = f"a quote opened in line {line} is not closed before the file ends"
            raise BadInput("csv_unclosed_quote", detail, line=line, row=number)
        line = self._window.line_number(self._begin) + len(self._record) - 1
        detail = f"a quoted field goes on after its closing quote in line {line}"
        raise BadInput("csv_malformed_quote", detail, line=line, row=number)

    def _refuse_length(self, number: int) -> NoReturn:
        limit = self._limits.record_bytes
        if len(self._record) > 1:  # only inside quotes does a record go on in the next line
            detail = f"a quote is not closed, or closes only after more than {limit} bytes"
            self._refuse("csv_unclosed_quote", detail, number, {"limit": limit})
        longest = max(len(run.encode()) for run in self._record[0].split(self._delimiter))
        if longest > (limit := self._limits.field_bytes):
            detail = f"a field of record {number} is longer than {limit} bytes"
            self._refuse("csv_field_too_large", detail, number, {"limit": limit})
        detail = f"record {number} is longer than {self._limits.record_bytes} bytes"
        place = {"limit": self._limits.record_bytes}
        self._refuse("record_too_large", detail, number, place)

    def _refuse(
        self, code: str, detail: str, number: int, place: dict[str, Any] | None = None
    ) -> NoReturn:
        line = self._window.line_number(self._begin)
        raise BadInput(code, detail, line=line, row=number, **(place or {}))


class _TooLong(Exception):
    """The record has outgrown the limit."""
