"""The exports that benchmarks import: valid, alike in every format, the same every time."""

from pathlib import Path

import pytest

from benchmarks.generate import Format, export, incidents
from sources import SOURCES
from tests.sources.reading import read

FORMATS: tuple[Format, ...] = ("csv", "json", "xml")


def records(file: Path, format: Format) -> list[dict[str, str]]:
    return read(SOURCES["servicenow"].reader(format), file.read_bytes()).values


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_holds_the_generated_records(tmp_path: Path, format: Format) -> None:
    read_back = records(export(tmp_path, format, 25), format)
    # XML shows what a reference is called in an attribute, beside its sys_id.
    shown = [
        {name: row.get(f"{name}.display_value", row[name]) for name in row if "." not in name}
        for row in read_back
    ]
    assert shown == incidents(0, 25).to_dicts()


def test_some_descriptions_hold_line_breaks_and_quotes() -> None:
    descriptions = incidents(0, 20)["description"]
    assert sum("\n" in each and '"' in each for each in descriptions) == 2


def test_csv_is_quoted_throughout_and_ends_lines_with_crlf(tmp_path: Path) -> None:
    content = export(tmp_path, "csv", 2).read_bytes()
    header, *_ = content.split(b"\r\n")
    assert all(name.startswith(b'"') and name.endswith(b'"') for name in header.split(b","))
    assert header.count(b",") == 21
    assert content.endswith(b'"\r\n')


def test_a_record_depends_on_its_number_alone() -> None:
    assert incidents(7, 20).equals(incidents(0, 30).slice(7, 13))


@pytest.mark.parametrize("format", FORMATS)
def test_files_longer_than_a_slice_go_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Format
) -> None:
    whole = export(tmp_path / "whole", format, 25).read_bytes()
    monkeypatch.setattr("benchmarks.generate._SLICE_ROWS", 10)
    assert export(tmp_path / "sliced", format, 25).read_bytes() == whole


def test_an_export_is_generated_once(tmp_path: Path) -> None:
    written = export(tmp_path, "csv", 3).stat().st_mtime_ns
    assert export(tmp_path, "csv", 3).stat().st_mtime_ns == written
