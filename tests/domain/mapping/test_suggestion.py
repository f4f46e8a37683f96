"""Suggestions by the likeness of names."""

import pytest

from domain.mapping.entities.incident import INCIDENT
from domain.mapping.entities.request import REQUEST
from domain.mapping.mapping import ImportMapping
from domain.mapping.suggestion import Suggestion, suggest
from tests.domain.mapping.mapping_cases import to


def suggested(*columns: str, **mapping: object) -> dict[str, str]:
    found = suggest(columns, INCIDENT, ImportMapping.model_validate(mapping))
    return {each.source_field: each.target_field for each in found}


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ("short_description", "title"),
        ("Summary*", "title"),
        ("subject", "title"),
        ("Assigned Group*+", "assigned_group"),
        ("assignmentGroup", "assigned_group"),
        ("caller_id.display_value", "reporter"),
        ("Issue key", "external_id"),
        ("sys_created_on", "created_at"),
        ("Reported Date+", "created_at"),
        ("Resolved", "resolved_at"),
        ("descripton", "description"),
    ],
)
def test_names_of_known_systems(column: str, target: str) -> None:
    assert suggested(column) == {column: target}


@pytest.mark.parametrize("column", ["u_cost_centre", "closed_by", "updated_by", "", "%", "日本語"])
def test_strange_names_get_none(column: str) -> None:
    assert suggested(column) == {}


def test_what_is_mapped_or_taken_is_left_alone() -> None:
    mapped = {"fieldMappings": [to("title", "summary")]}
    assert suggested("summary", "short_description", "state", **mapped) == {"state": "status"}


def test_each_target_gets_its_best_column() -> None:
    assert suggested("assignee", "assigned_to", "assigned_to.display_value") == {
        "assigned_to.display_value": "assigned_to"
    }


def test_the_confidence_says_how_sure() -> None:
    names = suggest(["description", "subject", "prioriti"], INCIDENT, ImportMapping())
    assert {each.target_field: each.confidence for each in names} == {
        "description": 1.0,
        "title": 0.9,
        "priority": 0.86,
    }


def test_only_fields_of_the_entity() -> None:
    (found,) = suggest(["requester"], REQUEST, ImportMapping())
    assert found == Suggestion(
        source_field="requester", target_field="requested_for", confidence=0.9
    )
