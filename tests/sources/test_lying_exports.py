"""No record is imported with a value that contradicts its own evidence without being listed."""

import io
from typing import Any

import polars as pl
import pytest

from domain.mapping.columns import ROW, map_columns
from domain.mapping.entities.incident import INCIDENT
from domain.mapping.fitting import fit
from domain.mapping.plan import Plan
from domain.migration.contradictions import contradictions
from domain.migration.oddities import oddities
from domain.migration.remark import Remark, gathered
from sources import SOURCES
from sources.readers.chunk import Limits, Profile, Reader
from tests.sources.lying import Lying, Told, lying
from tests.sources.reading import refusal

_SOURCE = SOURCES["servicenow"]
_FILES, _AT_ONCE = 600, 20


def imported(made: Lying) -> tuple[dict[str, dict[str, Any]], tuple[Remark, ...]]:
    """The records of the file as they would be imported, by id, and the remarks on them."""
    profile = Profile(encoding=made.charset)
    chunks = [*_reader(made)(io.BytesIO(made.content), profile, "incident", Limits())]
    words = _SOURCE.default_mapping("incident", [*profile.columns])
    mapping = fit(words, [*profile.columns], words)
    plan = Plan.build(mapping, INCIDENT, _SOURCE.identity).labelled()
    remarks, rows = list[Remark](), list[pl.DataFrame]()
    for chunk in chunks:
        mapped = map_columns(chunk.frame, plan)
        rows.append(mapped.rows)
        remarks += [*oddities(chunk.frame, plan), *contradictions(mapped.rows, INCIDENT)]
    found = {each["source_id"]: each for part in rows for each in part.iter_rows(named=True)}
    return found, gathered(remarks)


def _reader(made: Lying) -> Reader:
    return _SOURCE.reader(made.name.rpartition(".")[2])


def check(told: Told, row: dict[str, Any] | None, remarks: tuple[Remark, ...]) -> None:
    if told.fate != "kept":
        assert row is None, f"{told.fate}: {row}"
        return
    assert row is not None, f"was not imported: {told}"
    assert {name: row[name] for name in told.truth} == told.truth
    if told.remark:
        listed = {row for each in remarks if each.code == told.remark for row in each.rows}
        assert row[ROW] in listed, f"is not listed: {told}"


@pytest.mark.parametrize("first", range(0, _FILES, _AT_ONCE))
def test_is_imported_as_it_is_or_listed(first: int) -> None:
    for seed in range(first, first + _AT_ONCE):
        made = lying(seed)
        if all(each.fate == "left out" for each in made.told):
            assert refusal(_reader(made), made.content).code == "no_records_found"
            continue
        rows, remarks = imported(made)
        ids = {each.record["sys_id"] for each in made.told}
        assert rows.keys() <= ids, f"seed {seed}"
        for each in made.told:
            check(each, rows.get(each.record["sys_id"]), remarks)
