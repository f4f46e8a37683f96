"""Which delimiter a CSV file uses."""

import csv
import io
import re
from itertools import islice

from sources.csv_window import Window

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 2**16
SAMPLE_RECORDS = 50

# Excel writes and obeys such a first line; it is no RFC.
_DECLARED = re.compile(rb'"?sep=([^\r\n"])"?(?:\r\n?|\n)', re.IGNORECASE)


def take_delimiter(window: Window) -> str:
    """The delimiter of the file; consumes a first line that only declares it (`sep=;`).

    Otherwise the one that cuts the header into most fields in whose number the first records
    agree; a comma where nothing speaks for another.
    """
    window.fill(SAMPLE_BYTES)
    if declared := _DECLARED.match(window.buffer):
        window.start = declared.end()
        return declared[1].decode()
    sample = window.buffer[:SAMPLE_BYTES].decode(errors="ignore")
    return max(DELIMITERS, key=lambda delimiter: _agreement(sample, delimiter))


def _agreement(sample: str, delimiter: str) -> float:
    """How many delimiters the header has, times the share of records with as many."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        widths = [len(fields) for fields in islice(reader, SAMPLE_RECORDS) if fields]
    except csv.Error:
        return 0
    header, *records = widths or [1]
    # The sample may have cut its last record.
    complete = records[:-1] if len(records) < SAMPLE_RECORDS - 1 else records
    agreeing = sum(width == header for width in complete)
    return (header - 1) * (agreeing + 1) / (len(complete) + 1)
