"""Whether a file's values are as stored or as displayed, by its columns and first records."""

import json

import pytest

from sources.servicenow.json_export import read_json
from sources.servicenow.stored_or_displayed import values_of
from tests.sources.reading import read

STORED: dict[str, object] = {
    "number": "INC1",
    "state": "2",
    "priority": "3",
    "opened_at": "2025-07-25 16:00:00",
    "assigned_to": {"link": "https://x/7a", "value": "7a"},
}


def values(*records: dict[str, object]) -> str | None:
    found = read(read_json, json.dumps(records).encode())
    return values_of([*found.profile.columns], found.values)


def test_numbers_and_sys_ids_are_stored() -> None:
    assert values(STORED) == "stored"
    assert values({"number": "1", "state": "-5"}) == "stored"


@pytest.mark.parametrize(
    "shown",
    [
        {"state": "In Progress"},
        {"priority": "3 - Moderate"},
        {"impact": "2 - Medium"},
        {"opened_at": "07/25/2025 09:00:00"},
        {"opened_at": "25.07.2025 09:00"},
        {"assigned_to": {"display_value": "Ana", "link": "https://x/7a"}},
    ],
)
def test_labels_formats_and_names_are_displayed(shown: dict[str, object]) -> None:
    assert values(STORED | shown) == "displayed"
    if "assigned_to" not in shown:
        assert values(STORED, STORED | shown) == "displayed"


def test_values_with_their_labels_are_both() -> None:
    both = {"display_value": "07/25/2025 09:00:00", "value": "2025-07-25 16:00:00"}
    assert values(STORED | {"opened_at": both}) == "both"


@pytest.mark.parametrize(
    "record",
    [
        {"number": "1", "opened_at": "2025-07-25 16:00:00"},
        {"number": "1", "opened_at": "2025-07-25T16:00:00Z"},
        {"number": "1", "state": "", "priority": None},
        {"number": "1", "stage": "Fulfillment", "approval": "approved"},
    ],
)
def test_what_shows_nothing_is_not_guessed(record: dict[str, object]) -> None:
    assert values(record) is None


def test_a_reference_with_its_value_says_nothing_of_time_stamps() -> None:
    named = {"display_value": "Ana", "value": "7a"}
    assert values(STORED | {"assigned_to": named}) == "stored"
