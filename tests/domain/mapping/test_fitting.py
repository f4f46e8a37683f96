"""Fitting a mapping to a file with other column names, or with words that it does not name."""

import pytest

from domain.mapping.fitting import absent_columns, column_of, fit
from domain.mapping.mapping import FieldMapping, ImportMapping
from tests.domain.mapping.mapping_cases import a_mapping, to

COLUMNS = ("Number", " Description", "Short description", "a b", "A_B", "title")
WORDS = ImportMapping.model_validate(
    {
        "statusMappings": [
            {"sourceStatus": "Fixed", "targetStatus": "resolved"},
            {"sourceStatus": "Hold", "targetStatus": "on_hold"},
        ],
        "priorityMappings": [{"sourcePriority": "Urgent", "targetPriority": 1}],
    }
)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Number", "Number"),
        ("number", "Number"),
        (" NUMBER ", "Number"),
        ("description", " Description"),
        ("short_description", "Short description"),
        ("a b", "a b"),
        ("a_b", None),  # either of two
        ("Opened", None),
    ],
)
def test_a_column_is_found_as_people_write_its_name(name: str, column: str | None) -> None:
    assert column_of(name, COLUMNS) == column


def test_a_mapping_gets_the_names_of_the_file() -> None:
    mapping = a_mapping(to("category", "description"), sourceIdField="number")
    found = fit(mapping, COLUMNS, ImportMapping())
    assert found.source_of("category") == FieldMapping(
        source_field=" Description", target_field="category"
    )
    assert found.source_id_field == "Number"
    assert absent_columns(found, (*COLUMNS, "status", "priority")) == ()
    assert fit(found, COLUMNS, ImportMapping()) == found


def test_what_the_file_does_not_have_is_named_once() -> None:
    mapping = a_mapping(to("due_at", "Opened"), to("created_at", "Opened"), sourceIdField="Key")
    found = fit(mapping, COLUMNS, ImportMapping())
    assert absent_columns(found, (*COLUMNS, "status", "priority")) == ("Opened", "Key")


class TestWords:
    def test_the_sources_own_hold_beside_those_that_are_named(self) -> None:
        mine = [{"sourceStatus": "Fixed", "targetStatus": "closed"}]
        found = fit(a_mapping(statusMappings=mine), COLUMNS, WORDS)
        named = [(each.source_status, each.target_status) for each in found.status_mappings]
        assert named == [("Fixed", "closed"), ("Hold", "on_hold")]
        assert found.priority_mappings == WORDS.priority_mappings
        assert fit(found, COLUMNS, WORDS) == found

    def test_of_one_word_in_two_spellings_the_named_one_counts(self) -> None:
        mine = [{"sourceStatus": "fixed", "targetStatus": "closed"}]
        found = fit(a_mapping(statusMappings=mine), COLUMNS, WORDS)
        assert [each.target_status for each in found.status_mappings] == ["closed", "on_hold"]

    def test_a_star_takes_all_others(self) -> None:
        mine = [{"sourceStatus": "*", "targetStatus": "closed"}]
        found = fit(a_mapping(statusMappings=mine), COLUMNS, WORDS)
        assert [each.source_status for each in found.status_mappings] == ["*"]
