"""Mappings that are refused, and why."""

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from domain.mapping.entities.incident import INCIDENT
from domain.mapping.mapping import ImportMapping, mapping_problems
from domain.values.date_rules import DateRules
from domain.values.dates import read_instants
from domain.values.zones import zone_names
from tests.domain.mapping.mapping_cases import a_mapping, to


@pytest.mark.parametrize(
    ("target", "default"),
    [
        ("status", "Mañana"),
        ("priority", 6),
        ("priority", "urgent"),
        ("active", "maybe"),
        ("created_at", "5/3/2016"),
        ("created_at", "0001-01-01T00:00+10:00"),
        ("category", "a\0"),
    ],
)
def test_a_default_must_fit_its_field(target: str, default: Any) -> None:
    mapping = a_mapping(to(target, defaultValue=default))
    (problem,) = mapping_problems(mapping, INCIDENT)
    assert (problem.pointer, problem.code) == ("/fieldMappings/0/defaultValue", "invalid_default")


def test_a_number_has_no_default() -> None:
    [problem] = mapping_problems(a_mapping(to("external_id", defaultValue="none")), INCIDENT)
    assert (problem.pointer, problem.code) == ("/fieldMappings/0/defaultValue", "invalid_default")
    assert problem.detail == (
        "external_id takes no defaultValue: all records without a number would share that one;"
        " leave it out"
    )


@pytest.mark.parametrize("target", ["external_id", "title"])
def test_an_empty_default_is_none(target: str) -> None:
    assert not list(mapping_problems(a_mapping(to(target, defaultValue="")), INCIDENT))


@pytest.mark.parametrize(
    ("target", "default"),
    [("status", "In Progress"), ("priority", "1"), ("active", False), ("created_at", "2016-03-05")],
)
def test_good_defaults_are_no_problem(target: str, default: Any) -> None:
    assert not list(mapping_problems(a_mapping(to(target, defaultValue=default)), INCIDENT))


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d/%b/%y %I:%M %p", "%Y-%m-%dT%H:%M:%S.%f%z"])
def test_a_date_format(form: str) -> None:
    assert ImportMapping.model_validate({"dateFormat": form}).date_format == form


_NO_FORMATS = (
    *("", "dd/MM/yyyy", "%d/%m", "%d/%m/%Y %Q", "%d/%m/%Y %", "%d/%m/%Y\0", "%d/%m/%Y %d"),
    *("%d/%m/%Y %H", "%d/%m/%Y %M", "%d/%m/%Y %I:%M", "%d/%m/%Y %H:%M %p", "%d/%m/%Y %H:%M%f"),
)


@pytest.mark.parametrize("form", _NO_FORMATS)
def test_no_date_format(form: str) -> None:
    with pytest.raises(ValidationError):
        ImportMapping.model_validate({"dateFormat": form})


@pytest.mark.parametrize("zone", ["localtime", "Factory", "../etc/passwd", "", "CEST"])
def test_no_time_zone(zone: str) -> None:
    with pytest.raises(ValidationError):
        ImportMapping.model_validate({"sourceTimezone": zone})


def test_a_zone_of_two_meanings_is_a_problem_of_the_mapping() -> None:
    """Not of the model: mappings that were stored before are still read."""
    (problem,) = mapping_problems(a_mapping(sourceTimezone="EST"), INCIDENT)
    assert (problem.pointer, problem.code) == ("/sourceTimezone", "ambiguous_time_zone")


def test_every_zone_a_mapping_takes_can_be_read_in() -> None:
    for zone in zone_names():
        rules = DateRules(
            ImportMapping.model_validate({"sourceTimezone": zone}).source_timezone or ""
        )
        instants, faults = read_instants(pl.Series(["2024-07-01 12:00:00"]), rules)
        assert (faults, instants.null_count()) == (None, 0)
