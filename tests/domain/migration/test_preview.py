"""The preview as clients read it."""

import json
from typing import Any

import pytest

from domain.failures import Rejected
from domain.mapping.columns import map_columns
from domain.mapping.entities.incident import INCIDENT
from domain.mapping.mapping import ImportMapping
from domain.mapping.plan import Plan
from domain.migration.preview import Preview, Survey, build_preview
from domain.migration.samples import sample_records
from domain.values.date_rules import DateEvidence
from tests.domain.mapping.mapping_cases import a_frame, a_mapping, to


def preview(mapping: ImportMapping | None = None, **survey: Any) -> Preview:
    return build_preview("job", 3, Survey(**survey), mapping or a_mapping(), INCIDENT)


def test_it_holds_the_mapping_beside_the_counts() -> None:
    mapping = a_mapping(to("due_at"), statusMappings=[{"sourceStatus": "1", "targetStatus": "new"}])
    body = preview(mapping, total_records=7, invalid_records=2, ignored={"sys_journal_field": 4})
    shown = json.loads(body.model_dump_json(by_alias=True))
    assert {name: shown[name] for name in json.loads(mapping.model_dump_json(by_alias=True))} == (
        json.loads(mapping.model_dump_json(by_alias=True))
    )
    assert (shown["jobId"], shown["mappingRevision"]) == ("job", 3)
    assert (shown["totalRecords"], shown["validRecords"], shown["invalidRecords"]) == (7, 5, 2)
    assert shown["ignoredRecords"] == {"sys_journal_field": 4}
    assert Preview.model_validate(shown) == body


def test_it_names_what_is_unmapped_and_what_is_missing() -> None:
    body = preview(ImportMapping(), columns=("sys_id", "summary", "odd"), identity="sys_id")
    assert body.unmapped_fields == ("summary", "odd")
    assert body.missing_required_fields == ("title", "status", "priority")
    assert [each.source_field for each in body.suggestions] == ["summary"]
    assert "title, status, priority" in body.recommendations[0]
    assert "kept in `custom`" in body.recommendations[1]


def test_it_shows_the_first_errors_only() -> None:
    errors = tuple(Rejected(row=row, code="c", detail="d") for row in range(1, 30))
    assert [each.row for each in preview(errors=errors).errors] == list(range(1, 21))


class TestRecommendations:
    def test_none_where_there_is_nothing_to_say(self) -> None:
        assert preview(columns=("title", "status", "priority")).recommendations == ()

    def test_the_order_of_ambiguous_dates(self) -> None:
        undecided = DateEvidence(ambiguous=3)
        assert "dateOrder" in preview(dates=undecided).recommendations[0]
        assert preview(a_mapping(dateOrder="dmy"), dates=undecided).recommendations == ()
        assert preview(dates=DateEvidence(dmy=1, ambiguous=3)).recommendations == ()

    def test_the_zone_that_was_assumed(self) -> None:
        times = a_mapping(to("due_at"))
        named = a_mapping(to("due_at"), sourceTimezone="Europe/Berlin")
        assert "sourceTimezone" in preview(times).recommendations[0]
        assert preview(times, zone_known=True).recommendations == ()
        assert preview(named).recommendations == ()

    def test_a_zone_that_stored_values_are_not_in(self) -> None:
        times = a_mapping(to("due_at"))
        zoned = a_mapping(to("due_at"), sourceTimezone="Europe/Berlin")

        def told(mapping: ImportMapping, **found: Any) -> list[str]:
            return [each for each in preview(mapping, **found).warnings if " are read in " in each]

        assert "in Europe/Berlin" in told(zoned, is_stored=True)[0]
        assert "in Asia/Tokyo" in told(times, is_stored=True, time_zone="Asia/Tokyo")[0]
        assert told(times, is_stored=True, time_zone="UTC") == []
        assert told(times, is_stored=True) == []
        assert told(zoned, time_zone="Asia/Tokyo") == []

    def test_a_column_that_the_file_does_not_have_is_a_warning(self) -> None:
        mapping = a_mapping(to("due_at", "Opened"), sourceIdField="Key")
        columns = ("title", "status", "priority")
        [warning] = preview(mapping, columns=columns).warnings
        assert warning.startswith("the file has no column 'Opened', 'Key', ")
        assert preview(mapping, columns=(*columns, "Opened", "Key")).warnings == ()

    def test_records_that_share_an_id(self) -> None:
        told = "of the same ticket as an earlier record, by id or by number. The first one counts"
        for count, said in ((1, "1 record is"), (2, "2 records are")):
            [sentence] = preview(duplicate_records=count).recommendations
            assert sentence.startswith(f"{said} {told}")

    @pytest.mark.parametrize(
        ("count", "said"), [(1, "1 record is of a ticket"), (2, "2 records are of tickets")]
    )
    def test_records_that_the_tenant_has(self, count: int, said: str) -> None:
        [sentence] = preview(known_records=count, edited_records=1).recommendations
        told = "that the tenant has already, by id or by number, 1 of them edited here since."
        assert sentence.startswith(f"{said} {told}")

    def test_records_that_cannot_be_imported(self) -> None:
        (sentence,) = preview(total_records=9, invalid_records=2).recommendations
        assert sentence.startswith("2 of 9 records")


def test_samples_show_a_record_before_and_after() -> None:
    plan = Plan.build(a_mapping(to("due_at")), INCIDENT, "sys_id")
    frame = a_frame({"x": "2024-01-02", "u": "1"}, {"x": "soon"}, {})
    first, second, _ = sample_records(frame, map_columns(frame, plan))
    assert first.model_dump(by_alias=True) == {
        "row": 1,
        "sourceId": "id1",
        "source": {
            "sys_id": "id1",
            "title": "t",
            "status": "new",
            "priority": "1",
            "x": "2024-01-02",
            "u": "1",
        },
        "mapped": {
            "title": "t",
            "status": "new",
            "priority": 1,
            "due_at": "2024-01-02T00:00:00Z",
            "custom": {"u": "1"},
        },
    }
    assert (second.row, second.source["x"], second.mapped) == (2, "soon", None)


def test_a_sample_shows_the_beginning_of_long_values() -> None:
    """Ten records of 16 MiB were more than the database can hold as one document."""
    long = "ä" * 70_000
    plan = Plan.build(a_mapping(to("title", "t")), INCIDENT, "sys_id", None)
    frame = a_frame({"t": long, "u": long})
    [sample] = sample_records(frame, map_columns(frame, plan))
    shown = f"{'ä' * 1_000}… (70,000 characters)"
    assert (sample.source["t"], sample.source["u"]) == (shown, shown)
    assert sample.mapped is not None
    assert sample.mapped["title"] == shown
    assert sample.mapped["custom"]["u"] == shown
