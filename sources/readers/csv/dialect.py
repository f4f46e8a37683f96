"""Which delimiter a CSV file uses."""

import csv
import io
import re
from itertools import dropwhile, islice, takewhile

from sources.readers.csv.window import Window

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 2**16
SAMPLE_RECORDS = 50  # the first records of the sample

# Excel writes and obeys such a first line, though no standard defines it.
_DECLARED = re.compile(rb'"?sep=([^\r\n"])"?(?:\r\n?|\n)', re.IGNORECASE)


class _Sample:
    """The beginning of what a window has not consumed yet."""

    def __init__(self, window: Window) -> None:
        self.text = window.buffer[window.start : SAMPLE_BYTES].decode(errors="ignore")
        self._is_whole = window.ended and len(window.buffer) <= SAMPLE_BYTES

    def rows(self, delimiter: str, spaced: bool = False) -> list[list[str]]:
        """The sample's first records, without one that its end may cut; none if it is no CSV."""
        text = io.StringIO(self.text, newline="")
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=spaced)
        try:
            rows = [fields for fields in islice(reader, SAMPLE_RECORDS) if fields]
        except csv.Error:
            return []
        may_be_cut = not self._is_whole and 1 < len(rows) < SAMPLE_RECORDS
        return rows[:-1] if may_be_cut else rows


def take_delimiter(window: Window, chosen: str | None = None) -> str:
    """The delimiter of the file: the one that the user chose, or else the one that the first line
    declares (`sep=;`; that line is consumed either way).

    Otherwise the one that cuts the header into the most fields, weighed by the share of the first
    records with as many fields; a comma where no other does better.
    """
    window.fill(SAMPLE_BYTES)
    if declared := _DECLARED.match(window.buffer):
        window.start = declared.end()
        return chosen or declared[1].decode()
    if chosen:
        return chosen
    sample = _Sample(window)
    widths = {each: [*map(len, sample.rows(each))] for each in DELIMITERS}
    agreed = {each: _agreement(found) for each, found in widths.items()}
    if not any(agreed.values()):  # a title stands before the header, or there is one column
        agreed = {each: _agreement([*dropwhile(_is_1, found)]) for each, found in widths.items()}
    return max(agreed, key=agreed.__getitem__)


def titles(window: Window, delimiter: str) -> int:
    """How many lines before the header are titles: lines with at most one filled cell, followed by
    a header with at least three and by two or more records, all as wide as the header."""
    rows = _Sample(window).rows(delimiter)
    count = len([*takewhile(lambda row: _filled(row) <= 1, rows)])
    header, *records = rows[count:] or [[]]
    fits = len(records) > 1 and {*map(len, records)} == {len(header)}
    return count if fits and _filled(header) > 2 else 0


def is_spaced(window: Window, delimiter: str) -> bool:
    """Whether blanks stand between delimiters and quotes (`a, "b, c"`): some fields of the first
    records begin so, and all these records have one width if the blanks are skipped."""
    sample, mark = _Sample(window), re.escape(delimiter)
    if not re.search(rf'{mark} +"', sample.text):
        return False
    bare, spaced = ({*map(len, sample.rows(delimiter, skip))} for skip in (False, True))
    return len(spaced) == 1 and (len(bare) > 1 or _quotes_begin(sample.text, mark))


def _quotes_begin(text: str, mark: str) -> bool:
    """Whether every quote after a delimiter and blanks is closed before the next delimiter or line
    end."""
    opened = re.findall(rf'{mark} +"', text)
    closed = re.findall(rf'{mark} +"[^"]*(?:""[^"]*)*" *(?={mark}|[\r\n]|\Z)', text)
    return len(opened) == len(closed)


def _filled(row: list[str]) -> int:
    """How many of its cells hold anything."""
    return sum(bool(cell.strip()) for cell in row)


def _is_1(width: int) -> bool:
    return width == 1


def _agreement(widths: list[int]) -> float:
    """How many delimiters the header has, times the share of records with as many."""
    header, *records = widths or [1]
    agreeing = sum(width == header for width in records)
    return (header - 1) * (agreeing + 1) / (len(records) + 1)
