"""Which delimiter a CSV file uses."""

import csv
import io
import re
from itertools import dropwhile, islice, takewhile

from sources.csv_window import Window

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 2**16
SAMPLE_RECORDS = 50

# Excel writes and obeys such a first line; it is no RFC.
_DECLARED = re.compile(rb'"?sep=([^\r\n"])"?(?:\r\n?|\n)', re.IGNORECASE)


def take_delimiter(window: Window, told: str | None = None) -> str:
    """The delimiter of the file: the one that the user told, or that a first line declares
    (`sep=;`), which is consumed.

    Otherwise the one that cuts the header into most fields in whose number the first records
    agree; a comma where nothing speaks for another.
    """
    window.fill(SAMPLE_BYTES)
    if declared := _DECLARED.match(window.buffer):
        window.start = declared.end()
        return told or declared[1].decode()
    if told:
        return told
    sample = window.buffer[:SAMPLE_BYTES].decode(errors="ignore")
    agreed = {each: _agreement(sample, each) for each in DELIMITERS}
    if not any(agreed.values()):  # a title stands before the header, or there is one column
        agreed = {each: _agreement(sample, each, titled=True) for each in DELIMITERS}
    return max(agreed, key=agreed.__getitem__)


def titles(window: Window, delimiter: str) -> int:
    """How many records before the header are none: of one cell, before a header of three and more
    and at least two records that are all as wide."""
    sample = window.buffer[window.start : SAMPLE_BYTES].decode(errors="ignore")
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        rows = [fields for fields in islice(reader, SAMPLE_RECORDS) if fields]
    except csv.Error:
        return 0
    count = len([*takewhile(lambda row: sum(map(bool, map(str.strip, row))) <= 1, rows)])
    header, *records = rows[count:] or [[]]
    complete = records[:-1] if len(records) > 2 else records
    fits = len(complete) > 1 and {*map(len, complete)} == {len(header)}
    return count if fits and sum(map(bool, map(str.strip, header))) > 2 else 0


def is_spaced(window: Window, delimiter: str) -> bool:
    """Whether blanks stand between delimiters and quotes (`a, "b, c"`), by the first records: some
    fields begin so, and without the blanks all records have one width."""
    sample = window.buffer[window.start : SAMPLE_BYTES].decode(errors="ignore")
    if not re.search(rf'{re.escape(delimiter)} +"', sample):
        return False
    bare, spaced = (_widths(sample, delimiter, skip) for skip in (False, True))
    return len(set(spaced)) == 1 and (len(set(bare)) > 1 or _quotes_begin(sample, delimiter))


def _quotes_begin(sample: str, delimiter: str) -> bool:
    """Whether every quote that follows a blank behind a delimiter is closed before one."""
    mark = re.escape(delimiter)
    opened = re.findall(rf'{mark} +"', sample)
    closed = re.findall(rf'{mark} +"[^"]*(?:""[^"]*)*" *(?={mark}|[\r\n]|\Z)', sample)
    return len(opened) == len(closed)


def _widths(sample: str, delimiter: str, spaced: bool) -> list[int]:
    """The number of fields of the first records that are whole."""
    text = io.StringIO(sample, newline="")
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=spaced)
    try:
        widths = [len(fields) for fields in islice(reader, SAMPLE_RECORDS) if fields]
    except csv.Error:
        return []
    return widths[:-1] if len(widths) > 2 and len(sample) >= SAMPLE_BYTES - 3 else widths


def _agreement(sample: str, delimiter: str, titled: bool = False) -> float:
    """How many delimiters the header has, times the share of records with as many."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        widths = [len(fields) for fields in islice(reader, SAMPLE_RECORDS) if fields]
    except csv.Error:
        return 0
    if titled:
        widths = [*dropwhile(lambda width: width == 1, widths)]
    header, *records = widths or [1]
    # The sample may have cut its last record.
    complete = records[:-1] if len(records) < SAMPLE_RECORDS - 1 else records
    agreeing = sum(width == header for width in complete)
    return (header - 1) * (agreeing + 1) / (len(complete) + 1)
