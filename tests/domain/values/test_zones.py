"""Local times become instants by the pinned table, in columns and in defaults alike."""

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mapping.defaults import read_default
from domain.mapping.entities.incident import INCIDENT
from domain.values.date_rules import DateRules
from domain.values.dates import INSTANT, read_instants
from domain.values.zones import check_known, check_place, zone_names
from tests.domain.mapping.mapping_cases import a_mapping
from tests.domain.values import zone_table
from tests.test_structure import MODULES, ROOT, parsed

ISO = "%Y-%m-%d %H:%M:%S"
_local = datetime.fromisoformat

# Where polars' own table is another one, from 2024 to 2040. If this list is no longer true, polars
# or tzdata was renewed: look at the differences, then list them here.
POLARS_DIFFERS = {
    *("Africa/Casablanca", "Africa/El_Aaiun", "America/Edmonton", "America/Havana"),
    *("America/Inuvik", "America/Rainy_River", "America/Vancouver", "Europe/Chisinau"),
}


def column(locals_: Sequence[datetime | None], zone: str) -> list[datetime | None]:
    texts = [local if local is None else local.isoformat(sep=" ") for local in locals_]
    instants, faults = read_instants(pl.Series(texts, dtype=pl.String), DateRules(zone))
    assert (faults, instants.dtype) == (None, INSTANT)
    return instants.to_list()


def default(local: datetime, zone: str) -> object:
    field = INCIDENT.field("due_at")
    assert field is not None
    rules = a_mapping(sourceTimezone=zone).reading_rules(INCIDENT)
    return read_default(local.isoformat(), field, rules)


def around_changes(zone: str) -> list[datetime]:
    found = zone_table.changes(zone, 2024, 2030)
    return [local for change in found for local in change.local_times()]


@pytest.mark.parametrize("zone", zone_table.PLACES)
def test_both_sides_of_each_change(zone: str) -> None:
    locals_ = [*around_changes(zone), _local("2026-11-20 12:00")]
    expected = [zone_table.instant(local, zone) for local in locals_]
    assert column(locals_, zone) == expected
    assert [default(local, zone) for local in locals_] == expected


def test_the_law_of_2026() -> None:
    assert column([_local("2026-11-20 12:00")], "America/Vancouver") == [
        datetime(2026, 11, 20, 19, tzinfo=UTC)
    ]


def test_every_change_that_the_table_lists() -> None:
    """From local mean time, with its seconds, to today; Apia and Manila skipped whole days."""
    for zone in zone_table.distinct():
        found = [*zone_table.listed_changes(zone)]
        locals_ = [
            local.replace(microsecond=999_999) if n % 2 else local
            for n, local in enumerate(t for change in found for t in change.local_times())
        ]
        assert column(locals_, zone) == [zone_table.instant(t, zone) for t in locals_], zone


def test_no_zone_changes_twice_within_two_days() -> None:
    """`offsets` asks once a day. The rules after the list change twice a year, months apart."""
    gaps = {
        zone: min((after.at - before.at for before, after in pairwise(changes)), default=None)
        for zone in zone_table.names()
        if (changes := zone_table.listed_changes(zone))
    }
    assert not [zone for zone, gap in gaps.items() if gap is not None and gap < timedelta(days=3)]


@given(
    st.lists(
        st.none() | st.datetimes(_local("1000-01-03"), _local("9998-12-29")), min_size=1, max_size=9
    ),
    st.sampled_from(zone_table.names()),
)
def test_any_time_in_any_zone(locals_: list[datetime | None], zone: str) -> None:
    expected = [local and zone_table.instant(local, zone) for local in locals_]
    assert column(locals_, zone) == expected
    assert [local and default(local, zone) for local in locals_] == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Vancouver"])
@pytest.mark.parametrize("texts", [[], [None], [None, "", " "]])
def test_a_column_without_times(zone: str, texts: list[str | None]) -> None:
    instants, faults = read_instants(pl.Series(texts, dtype=pl.String), DateRules(zone))
    assert (instants.dtype, instants.to_list(), faults) == (INSTANT, [None] * len(texts), None)


@pytest.mark.parametrize(
    ("text", "zone", "read"),
    [
        ("0001-01-01 00:00:00", "Europe/Berlin", "date_out_of_range"),
        ("0001-01-01 00:00:00", "America/New_York", datetime(1, 1, 1, 4, 56, 2, tzinfo=UTC)),
        ("9999-12-31 23:59:59", "America/Vancouver", "date_out_of_range"),
        ("9999-12-31 23:59:59", "Asia/Tokyo", datetime(9999, 12, 31, 14, 59, 59, tzinfo=UTC)),
        ("99999-01-01 00:00:00", "Europe/Berlin", "date_out_of_range"),
    ],
)
def test_the_ends_of_the_calendar(text: str, zone: str, read: object) -> None:
    instants, faults = read_instants(pl.Series([text, "2024-01-01 00:00:00"]), DateRules(zone))
    assert (instants[0] if faults is None else faults[0]) == read


@pytest.mark.parametrize("zone", ["CET", "MET", "EET", "WET", "EST", "MST", "HST"])
def test_an_abbreviation_of_two_meanings_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"name a place, such as \w+/\w+"):
        check_place(zone)
    assert check_known(zone) == zone  # what was stored before is still read


@pytest.mark.parametrize(
    "zone", ["CEST", "PST", "+05:30", "UTC+2", "GMT-3", "europe/berlin", "Factory", "../zones", ""]
)
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"unknown time zone .* such as Europe/Berlin"):
        check_place(zone)


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+5", "Asia/Kolkata", "US/Pacific", "Japan"])
def test_a_name_with_one_meaning_is_taken(zone: str) -> None:
    assert check_place(zone) == zone


def test_where_polars_table_differs() -> None:
    hours = pl.datetime_range(_local("2024-01-01"), _local("2041-01-01"), "1h", eager=True)
    texts = hours.dt.strftime(ISO)
    differs = set()
    for zone in zone_table.distinct():
        ours, _ = read_instants(texts, DateRules(zone))
        # Of an hour that never was, polars says nothing.
        theirs = hours.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        if (ours != theirs.dt.convert_time_zone("UTC")).any():
            differs.add(zone)
    assert differs == POLARS_DIFFERS, (
        f"polars {version('polars')} against tzdata {version('tzdata')}: "
        f"new {sorted(differs - POLARS_DIFFERS)}, gone {sorted(POLARS_DIFFERS - differs)}"
    )


def test_the_documentation_names_the_version() -> None:
    pinned = f"tzdata=={version('tzdata')}"
    assert f"\n{pinned} " in (ROOT / "requirements.lock").read_text()
    assert pinned.replace("==", " ") in (ROOT / "docs/migration.md").read_text()


# What a process reads: Berlin's noon in a column and as a default, and what zoneinfo itself says.
_NOON = """
from datetime import datetime, UTC
from zoneinfo import ZoneInfo
import polars as pl
from domain.values.date_rules import DateRules
from domain.values.dates import read_instants
from domain.mapping.entities.incident import INCIDENT
from domain.mapping.defaults import read_default
from domain.mapping.mapping import ImportMapping
column, _ = read_instants(pl.Series(["2024-01-01 12:00:00"]), DateRules("Europe/Berlin"))
rules = ImportMapping(source_timezone="Europe/Berlin").reading_rules(INCIDENT)
default = read_default("2024-01-01T12:00:00", INCIDENT.field("due_at"), rules)
asked = datetime(2024, 1, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
print(column[0].hour, default.hour, asked.hour)
"""


def hours_read(**environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", _NOON],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip() or run.stderr


def test_a_systems_table_that_lies_is_not_asked(tmp_path: Path) -> None:
    lie = tmp_path / "Europe" / "Berlin"
    lie.parent.mkdir()
    lie.write_bytes(files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes())
    assert hours_read(PYTHONTZPATH=str(tmp_path)) == "11 11 3"


def test_no_other_table_than_the_packages_is_asked(tmp_path: Path) -> None:
    """A package in which Berlin is Tokyo: so is our Berlin, whatever polars has compiled in."""
    package = tmp_path / "tzdata"
    for part in (package, package / "zoneinfo", package / "zoneinfo" / "Europe"):
        part.mkdir()
        (part / "__init__.py").touch()
    (package / "zones").write_text("Europe/Berlin\n")
    tokyo = files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (package / "zoneinfo" / "Europe" / "Berlin").write_bytes(tokyo)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    assert hours_read(PYTHONPATH=path).startswith("3 3 ")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nobody_else_reads_a_zone(path: Path) -> None:
    own = path.as_posix() == "domain/values/zones.py"
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom | ast.Import) and not own:
            modules = [getattr(node, "module", None), *(alias.name for alias in node.names)]
            assert not {"zoneinfo", "tzdata", "pytz", "dateutil"} & {*modules}
        if isinstance(node, ast.Attribute):
            assert node.attr != "convert_time_zone"
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "replace_time_zone":
            assert [ast.unparse(each) for each in node.args] == ["'UTC'"]
            assert not node.keywords


def test_all_names_are_zones() -> None:
    assert zone_names() == set(zone_table.names())
