"""Published CSV acid tests and real exports, from ../shared."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from domain.failures import BadInput
from tests.sources.readers.csv.csv_reading import read


def _each(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.csv"))
    assert files
    return files


def test_csv_spectrum(shared_dir: Path) -> None:
    folder = shared_dir / "data/parser_cases/csv_spectrum"
    for file in _each(folder / "csvs"):
        found = read(file.read_bytes())
        text = (folder / "json" / f"{file.stem}.json").read_text()
        # The copies of the CR LF files have lost their carriage returns; their JSON has not.
        expected = json.loads(text if b"\r" in file.read_bytes() else text.replace(r"\r\n", r"\n"))
        if file.stem == "location_coordinates":  # its JSON has another telephone number
            assert found.rows[0][1] == expected["Location Coordinates"]
            continue
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        assert rows == expected, file.name


def test_csv_test_data(shared_dir: Path) -> None:
    folder = shared_dir / "data/parser_cases/csv_test_data"
    # An empty line is no record here, and no header.
    exempt = {"all-empty", "empty-one-column"}
    for file in _each(folder / "csv"):
        if file.stem in exempt or file.stem.startswith("bad-"):
            continue
        expected = json.loads((folder / "json" / f"{file.stem}.json").read_text())
        found = read(file.read_bytes())
        if file.stem.startswith("header-"):
            rows: list[object] = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        else:
            rows = [found.columns, *([*row] for row in found.rows)]
        assert rows == expected, file.name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bad-missing-quote", "csv_unclosed_quote"),
        ("bad-quotes-with-unescaped-quote", "csv_malformed_quote"),
        ("bad-header-no-header", "file_empty"),
    ],
)
def test_csv_test_data_refused(shared_dir: Path, name: str, code: str) -> None:
    content = (shared_dir / f"data/parser_cases/csv_test_data/csv/{name}.csv").read_bytes()
    with pytest.raises(BadInput, match=code):
        read(content)


@pytest.mark.parametrize("name", ["bad-header-less-fields", "bad-header-more-fields"])
def test_csv_test_data_rejected(shared_dir: Path, name: str) -> None:
    content = (shared_dir / f"data/parser_cases/csv_test_data/csv/{name}.csv").read_bytes()
    assert read(content).rejected == [(1, "column_count_mismatch")]


@pytest.mark.parametrize(
    ("name", "encoding", "rows"),
    [
        ("test_utf16_big.csv", "utf-16-be", [("1", "2", "3"), ("4", "5", "ʤ")]),
        ("test_utf16_little.csv", "utf-16-le", [("1", "2", "3"), ("4", "5", "ʤ")]),
        ("test_utf8_bom.csv", "utf-8", [("1", "2", "3"), ("4", "5", "ʤ")]),
        ("test_latin1.csv", "windows-1252", [("1", "2", "3"), ("4", "5", "©")]),
        ("dummy.tsv", "utf-8", [("1", "2", "3")]),
        ("sniff_limit.csv", "utf-8", [("1", "2", "3")]),
        ("mac_newlines.csv", "utf-8", [("1", "2", "3"), ("Once upon\ra time", "5", "6")]),
    ],
)
def test_csvkit_examples(
    shared_dir: Path, name: str, encoding: str, rows: list[tuple[str, ...]]
) -> None:
    found = read((shared_dir / "data/parser_cases/csvkit_examples" / name).read_bytes())
    assert (found.profile.encoding, found.rows) == (encoding, rows)


def test_a_real_incident_log(shared_dir: Path) -> None:
    content = gzip.decompress(
        (shared_dir / "data/servicenow/incident_event_log.csv.gz").read_bytes()
    )
    found = read(content)
    assert (found.profile.records, len(found.columns)) == (141_712, 36)
    assert found.rows[:5_000] == [
        tuple(row) for row in [*csv.reader(content.decode().splitlines()[:5_001])][1:]
    ]


@pytest.mark.parametrize(("name", "records"), [("sys_user", 626), ("core_company", 177)])
def test_real_windows_exports(shared_dir: Path, name: str, records: int) -> None:
    content = (shared_dir / f"data/servicenow/users_companies/{name}.csv").read_bytes()
    found = read(content)
    text = content.decode("windows-1252")
    expected = [tuple(row) for row in csv.reader(text.splitlines(keepends=True), strict=True)]
    assert found.rows == expected[1:]
    assert found.profile.records == records
