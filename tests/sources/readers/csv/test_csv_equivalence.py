"""The fast and the strict reader agree with the standard library's reader."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.failures import BadInput
from sources.readers import encoding
from sources.readers.csv import dialect as csv_dialect
from sources.readers.csv import records as csv_records
from tests.sources.readers.csv.csv_reading import read

HEADER = "sep=,\na,b\n"  # later lines cannot change the delimiter
CELLS = st.text(alphabet='",\r\n ax1é\ufeff;', max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
BLOCKS = st.integers(1, 40)


def oracle(text: str) -> list[tuple[str, ...]] | None:
    """All records of two fields, and None where the text is not CSV."""
    lines = _Lines(text)
    reader, records = csv.reader(lines, strict=True), []
    try:
        while (fields := next(reader, None)) is not None:
            lines.begins = True
            records.append(_without_tail(fields))
    except csv.Error:
        return None
    return [each for each in records if each]


class _Lines:
    """The lines of a text, a byte order mark where a record begins taken off."""

    def __init__(self, text: str) -> None:
        self._text, self.begins = io.StringIO(text, newline=""), True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._text)
        begins, self.begins = self.begins, False
        return line.removeprefix("\ufeff") if begins else line


def _without_tail(fields: list[str]) -> tuple[str, ...]:
    """Empty cells beyond the header are no cells."""
    return tuple(fields if any(map(str.strip, fields[2:])) else fields[:2])


Seen = tuple[list[tuple[str, ...]], list[int], list[int]]  # rows, their numbers, those rejected


def expected(body: str) -> Seen | None:
    """The records by the standard library's reader; None if the text is refused."""
    records = oracle(body)
    if records is None:
        return None
    good = [n for n, record in enumerate(records, 1) if len(record) == 2]
    bad = [n for n, record in enumerate(records, 1) if len(record) != 2]
    return [records[n - 1] for n in good], good, bad


def seen(body: str, block_bytes: int) -> Seen | None:
    """The records by our reader, in blocks so small that any byte can end one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_dialect, "SAMPLE_BYTES", len(HEADER))
        patch.setattr(encoding, "BLOCK_BYTES", block_bytes)
        patch.setattr(csv_records, "BLOCK_BYTES", block_bytes)
        try:
            found = read((HEADER + body).encode())
        except BadInput as refusal:
            if refusal.problem.code in {"csv_unclosed_quote", "csv_malformed_quote"}:
                return None
            raise
    return found.rows, found.numbers, [row for row, _ in found.rejected]


@settings(max_examples=600, deadline=None)
@given(st.text(alphabet='",\r\n a\ufeff', max_size=40), BLOCKS)
def test_any_text(body: str, block_bytes: int) -> None:
    assert seen(body, block_bytes) == expected(body)


@st.composite
def written(draw: st.DrawFn) -> str:
    """Records as programs write them: quoted always or where needed, one line end or mixed."""
    dialect = draw(st.sampled_from(["unix", "excel"]))  # all fields quoted, or only where needed
    out = io.StringIO(newline="")
    for cells in draw(st.lists(st.tuples(CELLS, CELLS), max_size=12)):
        csv.writer(out, dialect, lineterminator=draw(ENDS)).writerow(cells)
    return out.getvalue()


@settings(max_examples=300, deadline=None)
@given(written(), BLOCKS)
def test_written_csv(body: str, block_bytes: int) -> None:
    assert seen(body, block_bytes) == expected(body)


@settings(max_examples=300, deadline=None)
@given(written(), st.integers(0, 400), st.sampled_from(['"', ",", "\n", "\r", "x", ""]), BLOCKS)
def test_written_csv_with_one_character_changed(
    body: str, place: int, character: str, block_bytes: int
) -> None:
    place %= len(body) + 1
    changed = body[:place] + character + body[place + 1 :]
    assert seen(changed, block_bytes) == expected(changed)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20), st.integers(1_000, 9_000))
def test_many_records(cells: list[tuple[str, str]], times: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(cells)
    assert read((HEADER + out.getvalue() * times).encode()).rows == cells * times
