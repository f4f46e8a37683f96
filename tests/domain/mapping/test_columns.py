"""Each rule of the mapping, one batch at a time."""

import json
from typing import Any

import polars as pl
import pytest

from domain.mapping.columns import map_columns
from domain.mapping.date_evidence import date_evidence
from domain.mapping.entities.incident import INCIDENT
from domain.mapping.plan import Plan
from tests.domain.mapping.mapping_cases import (
    a_frame,
    a_mapping,
    a_plan,
    faults_of,
    mapped,
    to,
    value_of,
)


class TestShape:
    def test_the_columns_are_the_planned_fields_in_the_entitys_order(self) -> None:
        plan = a_plan(to("resolved_at", "r"), to("active", "a"), to("external_id", "n"))
        rows = mapped(plan, {"r": "2020-01-02 03:04:05", "a": "true", "n": "INC1"}).rows
        assert list(rows.schema.items()) == [
            ("_row", pl.Int64),
            ("source_id", pl.String),
            ("external_id", pl.String),
            ("title", pl.String),
            ("status", pl.String),
            ("priority", pl.Int16),
            ("active", pl.Boolean),
            ("resolved_at", pl.Datetime("us", "UTC")),
            ("custom", pl.String),
            ("content_hash", pl.Int64),
        ]

    def test_the_schema_is_the_same_for_no_rows_at_all(self) -> None:
        plan = a_plan(to("created_at"), to("active", "a"))
        frame = a_frame({"x": "2020-01-02", "a": "yes", "more": "custom"})
        assert map_columns(frame.clear(), plan).rows.schema == map_columns(frame, plan).rows.schema

    def test_a_source_field_that_no_record_has_is_null(self) -> None:
        assert value_of(mapped(a_plan(to("created_at", "absent")), {}), "created_at") is None

    def test_one_source_field_can_fill_two_targets(self) -> None:
        result = mapped(a_plan(to("category"), to("location")), {"x": "Rome"})
        assert value_of(result, "category") == value_of(result, "location") == "Rome"

    @pytest.mark.parametrize("name", ["*", "^x$", " ", "%"])
    def test_a_source_field_may_have_any_name(self, name: str) -> None:
        plan = a_plan(to("due_at", name), to("category", "x"))
        frame = a_frame({name: "25/3/2016", "x": "c"})
        assert value_of(map_columns(frame, plan), "category") == "c"
        assert value_of(map_columns(frame, plan), "due_at").isoformat().startswith("2016-03-25")
        assert date_evidence(frame, plan).dmy == 1

    def test_a_batch_may_have_no_source_fields(self) -> None:
        frame = pl.DataFrame({"_row": [1]})
        assert (1, "source_id", "source_id_missing") in faults_of(map_columns(frame, a_plan()))


class TestEmptyValues:
    @pytest.mark.parametrize("marker", ["", "NULL", "?"])
    def test_empty_and_null_markers_are_null(self, marker: str) -> None:
        plan = a_plan(to("category"), nullValues=["NULL", "?"])
        assert value_of(mapped(plan, {"x": marker}), "category") is None

    @pytest.mark.parametrize("blank", [" ", "\t \n", "\u00a0", "\u202f", "\u200b", "\ufeff "])
    @pytest.mark.parametrize("target", ["category", "due_at", "active", "external_id"])
    def test_a_blank_value_is_an_empty_one(self, target: str, blank: str) -> None:
        result = mapped(a_plan(to(target)), {"x": blank})
        assert (value_of(result, target), result.rejected) == (None, [])

    def test_a_blank_title_is_missing(self) -> None:
        assert faults_of(mapped(a_plan(), {"title": "\u00a0"})) == [
            (1, "title", "required_missing")
        ]

    def test_a_marker_is_a_whole_value(self) -> None:
        plan = a_plan(to("category"), nullValues=["NULL"])
        assert value_of(mapped(plan, {"x": "NULLABLE"}), "category") == "NULLABLE"

    @pytest.mark.parametrize(
        ("target", "default", "value"),
        [
            ("category", "none", "none"),
            ("category", 7, "7"),
            ("active", True, True),
            ("active", "no", False),
            ("priority", 3, 3),
            ("priority", "2 - High", 2),
            ("status", "on_hold", "on_hold"),
            ("status", "Waiting", "on_hold"),
        ],
    )
    def test_a_default_fills_an_empty_value(self, target: str, default: Any, value: Any) -> None:
        statuses = [{"sourceStatus": "Waiting", "targetStatus": "on_hold"}]
        plan = a_plan(to(target, defaultValue=default), statusMappings=statuses)
        assert value_of(mapped(plan, {"x": ""}), target) == value

    def test_a_default_time_is_in_the_jobs_zone(self) -> None:
        plan = a_plan(to("due_at", defaultValue="2024-07-01T12:00:00"), zone="Europe/Berlin")
        assert value_of(mapped(plan, {}), "due_at").isoformat() == "2024-07-01T10:00:00+00:00"

    def test_a_default_status_is_not_swallowed_by_the_star(self) -> None:
        star = [{"sourceStatus": "*", "targetStatus": "closed"}]
        plan = a_plan(to("status", defaultValue="new"), statusMappings=star)
        assert value_of(mapped(plan, {"x": None}), "status") == "new"

    def test_a_default_does_not_hide_an_unreadable_value(self) -> None:
        plan = a_plan(to("due_at", defaultValue="2024-07-01"))
        assert faults_of(mapped(plan, {"x": "soon"})) == [(1, "due_at", "date_invalid")]

    @pytest.mark.parametrize("value", [None, ""])
    def test_a_required_value_must_be_there(self, value: str | None) -> None:
        result = mapped(a_plan(to("category", required=True)), {"title": value, "x": value})
        assert faults_of(result) == [
            (1, "title", "required_missing"),
            (1, "category", "required_missing"),
        ]

    def test_a_required_field_must_be_mapped(self) -> None:
        mapping = a_mapping().model_copy(update={"field_mappings": ()})
        result = map_columns(a_frame({}), Plan.build(mapping, INCIDENT, "sys_id"))
        assert {each.field for each in result.rejected} == {"title", "status", "priority"}


class TestTransformations:
    @pytest.mark.parametrize(
        ("transformation", "source", "value"),
        [
            (None, " Straße ", " Straße "),
            ("uppercase", "Straße", "STRASSE"),
            ("lowercase", "ÀB", "àb"),
            ("trim", " a b\t\n", "a b"),
            ("trim", "   ", None),
            ("date", "02.01.2020 03:04", "2020-01-02T03:04:00Z"),
            ("date", "2020-01-02 03:04:05.25", "2020-01-02T03:04:05.250Z"),
            ("boolean", "Yes", "true"),
        ],
    )
    def test_of_text(self, transformation: str | None, source: str, value: str | None) -> None:
        plan = a_plan(to("category", transformation=transformation))
        assert value_of(mapped(plan, {"x": source}), "category") == value

    def test_a_text_that_is_no_date_is_rejected_where_one_is_asked_for(self) -> None:
        plan = a_plan(to("category", transformation="date"))
        assert faults_of(mapped(plan, {"x": "soon"})) == [(1, "category", "date_invalid")]

    def test_a_date_that_does_not_fit_its_format_is_told_so(self) -> None:
        [told] = mapped(a_plan(to("due_at", dateFormat="%Y%m%d")), {"x": "soon"}).rejected
        assert told.detail == (
            "due_at wants a date; this one cannot be read by the dateFormat %Y%m%d: correct the"
            " value, or the mapping's dateFormat"
        )
        [told] = mapped(a_plan(to("due_at")), {"x": "soon"}).rejected
        assert "name its dateFormat" in told.detail

    def test_a_zone_that_is_not_known_is_told_with_the_one_that_was_asked(self) -> None:
        plan = a_plan(to("due_at"), zone="Europe/Berlin")
        [told] = mapped(plan, {"x": "2025-07-25 10:00 PDT"}).rejected
        assert told.detail == (
            "due_at ends in a zone's short name that clocks in Europe/Berlin did not show at that"
            " time; pass the sourceTimezone where they did, name a dateFormat that has the word in"
            " it, or correct the value"
        )
        plan = a_plan(to("due_at", dateFormat="%Y-%m-%d %H:%M PDT"), zone="America/Los_Angeles")
        assert mapped(plan, {"x": "2025-07-25 10:00 PDT"}).rejected == []


class TestWords:
    STATUSES = (
        {"sourceStatus": "Waiting", "targetStatus": "on_hold"},
        {"sourceStatus": "waiting", "targetStatus": "resolved"},
        {"sourceStatus": 7, "targetStatus": "closed"},
    )

    @pytest.mark.parametrize(
        ("source", "status"),
        [
            ("Waiting", "on_hold"),
            ("waiting", "resolved"),
            (" WAITING ", "on_hold"),
            ("7", "closed"),
            ("In Progress", "in_progress"),
            ("on_hold", "on_hold"),
        ],
    )
    def test_of_a_status(self, source: str, status: str) -> None:
        plan = a_plan(statusMappings=self.STATUSES)
        assert value_of(mapped(plan, {"status": source}), "status") == status

    def test_the_star_takes_every_other_status(self) -> None:
        star = {"sourceStatus": "*", "targetStatus": "cancelled"}
        plan = a_plan(statusMappings=[*self.STATUSES, star])
        result = mapped(plan, {"status": "Waiting"}, {"status": "odd"}, {"status": "new"})
        assert result.rows["status"].to_list() == ["on_hold", "cancelled", "cancelled"]

    def test_a_mapped_priority_goes_before_the_known_ones(self) -> None:
        plan = a_plan(priorityMappings=[{"sourcePriority": 1, "targetPriority": 4}])
        result = mapped(plan, {"priority": "1"}, {"priority": "2 - High"})
        assert result.rows["priority"].to_list() == [4, 2]

    @pytest.mark.parametrize("field", ["status", "priority"])
    def test_an_unknown_word_is_rejected_and_shown(self, field: str) -> None:
        (rejected,) = mapped(a_plan(), {field: "Mañana"}).rejected
        assert (rejected.field, rejected.code, rejected.value) == (field, "unknown_value", "Mañana")

    @pytest.mark.parametrize("field", ["status", "priority"])
    def test_a_blank_word_is_a_missing_one(self, field: str) -> None:
        assert faults_of(mapped(a_plan(), {field: "  "})) == [(1, field, "required_missing")]

    def test_of_a_boolean(self) -> None:
        result = mapped(a_plan(to("active")), {"x": "Falso"}, {"x": "1"}, {"x": "maybe"}, {"x": ""})
        assert result.rows["active"].to_list() == [False, True, None]
        assert faults_of(result) == [(3, "active", "boolean_invalid")]


class TestSourceId:
    def test_the_mapping_names_it_first(self) -> None:
        result = mapped(a_plan(sourceIdField="x"), {"x": "mine"})
        assert value_of(result, "source_id") == "mine"

    @pytest.mark.parametrize("blank", ["", " ", "\u00a0\u00a0", "\u200b", "\ufeff", "\t"])
    def test_an_id_of_blanks_is_none(self, blank: str) -> None:
        result = mapped(a_plan(sourceIdField="x"), {"x": blank})
        assert faults_of(result) == [(1, "source_id", "source_id_missing")]

    @pytest.mark.parametrize("marker", ["N/A", "-", "0"])
    def test_an_id_that_stands_for_none_is_told_by_null_values(self, marker: str) -> None:
        result = mapped(a_plan(sourceIdField="x", nullValues=[marker]), {"x": marker}, {"x": "1"})
        assert faults_of(result) == [(1, "source_id", "source_id_missing")]

    @pytest.mark.parametrize(
        ("written", "id"),
        [
            (" INC1 ", "INC1"),
            ("INC1\u00a0", "INC1"),
            ("\ufeffINC\u200b1", "INC1"),
            ("Bu\u0308ro-1", "Büro-1"),
            ("a b", "a b"),
            ("inc1", "inc1"),
        ],
    )
    def test_ids_are_compared_as_people_compare_them(self, written: str, id: str) -> None:
        assert value_of(mapped(a_plan(sourceIdField="x"), {"x": written}), "source_id") == id

    def test_a_file_without_ids_has_places(self) -> None:
        plan = Plan.build(a_mapping(), INCIDENT).placed(("title",), "f00")
        assert mapped(plan, {}, {}).rows["source_id"].to_list() == ["f00/1", "f00/2"]

    @pytest.mark.parametrize(
        ("columns", "more"),
        [
            (("sys_id",), {}),
            (("n",), {}),
            (("title",), {"sourceIdField": "absent"}),
        ],
    )
    def test_a_file_with_ids_or_a_name_for_them_has_none(
        self, columns: tuple[str, ...], more: dict[str, str]
    ) -> None:
        plan = Plan.build(a_mapping(to("external_id", "n"), **more), INCIDENT, "sys_id")
        assert plan.placed(columns, "f00").file is None

    def test_the_named_field_has_no_substitute(self) -> None:
        result = mapped(a_plan(to("external_id", "n"), sourceIdField="x"), {"x": "", "n": "INC1"})
        assert faults_of(result) == [(1, "source_id", "source_id_missing")]

    def test_the_sources_own_identity_is_next(self) -> None:
        result = mapped(a_plan(to("external_id", "n")), {"sys_id": "abc", "n": "INC1"})
        assert value_of(result, "source_id") == "abc"

    def test_the_mapped_number_is_last(self) -> None:
        plan = a_plan(to("external_id", "n", transformation="trim"))
        result = mapped(plan, {"sys_id": "", "n": " INC1 "}, {"sys_id": "abc", "n": "INC1"})
        assert result.rows["source_id"].to_list() == ["INC1", "abc"]

    def test_a_default_number_identifies_nothing(self) -> None:
        plan = a_plan(to("external_id", "n", defaultValue="none"))
        assert faults_of(mapped(plan, {"sys_id": None})) == [(1, "source_id", "source_id_missing")]

    def test_one_that_no_index_can_hold_is_rejected(self) -> None:
        result = mapped(a_plan(), {"sys_id": "é" * 512}, {"sys_id": "é" * 513})
        assert result.rows.height == 1
        assert faults_of(result) == [(2, "source_id", "source_id_too_long")]

    def test_a_number_that_no_index_can_hold_is_rejected(self) -> None:
        plan = a_plan(to("external_id"))
        result = mapped(plan, {"x": "1" * 1024}, {"x": "1" * 1025})
        assert faults_of(result) == [(2, "external_id", "value_too_long")]


class TestCustom:
    def test_unmapped_values_are_kept_by_their_names(self) -> None:
        custom = value_of(mapped(a_plan(), {"u_b": 'say "hi"\n', "u_a": "1", "u_c": ""}), "custom")
        assert json.loads(custom) == {"u_a": "1", "u_b": 'say "hi"\n'}

    def test_there_is_none_where_all_is_mapped_or_empty(self) -> None:
        assert (
            value_of(mapped(a_plan(nullValues=["-"]), {"a": "", "b": None, "c": "-"}), "custom")
            is None
        )

    def test_it_does_not_depend_on_the_order_of_the_columns(self) -> None:
        frame = a_frame({"b": "1", "a": "2", "ü": "3"})
        backwards = frame.select(reversed(frame.columns))
        assert map_columns(frame, a_plan()).rows.equals(map_columns(backwards, a_plan()).rows)

    def test_an_identity_that_is_not_used_as_one_is_kept(self) -> None:
        result = mapped(a_plan(sourceIdField="x"), {"x": "1", "sys_id": "abc"})
        assert json.loads(value_of(result, "custom")) == {"sys_id": "abc"}


def test_of_a_rejected_value_the_beginning_is_shown() -> None:
    (rejected,) = mapped(a_plan(to("active", "a")), {"a": "x" * 1000}).rejected
    assert rejected.value == "x" * 200


def test_a_record_with_several_faults_lists_each() -> None:
    plan = a_plan(to("due_at"), to("active", "a"))
    result = mapped(plan, {}, {"x": "?", "a": "?", "status": "?"}, {"priority": "?"})
    assert faults_of(result) == [
        (2, "status", "unknown_value"),
        (2, "active", "boolean_invalid"),
        (2, "due_at", "date_invalid"),
        (3, "priority", "unknown_value"),
    ]
    assert result.rows["_row"].to_list() == [1]


def test_a_mapping_that_cannot_work_makes_no_plan() -> None:
    with pytest.raises(ValueError, match="no field 'nowhere'"):
        a_plan(to("nowhere"))
