"""Texts that mean "empty", and fields that occur in two columns."""

import pytest

from domain.mapping.plan import Plan
from domain.migration.oddities import oddities
from domain.migration.remark import Remark
from tests.domain.mapping.mapping_cases import a_frame, a_plan, faults_of, mapped, to, value_of

STATE = to("status", "incident_state", fallbackFields=["state"])


def found(plan: Plan, *records: dict[str, str]) -> list[Remark]:
    frame = a_frame(*({"priority": "high"} | each for each in records))
    return [*oddities(frame, plan)]


def state_plan() -> Plan:
    return a_plan(STATE, statusMappings=[{"sourceStatus": "7", "targetStatus": "closed"}])


class TestNullWords:
    @pytest.mark.parametrize(
        "word", ["null", "NULL", "nan", "None", "N/A", "?", "-", "\\N", " nil "]
    )
    def test_a_word_for_nothing_is_pointed_out(self, word: str) -> None:
        [remark] = found(a_plan(to("category")), {"x": word}, {"x": "nullable"}, {"x": word})
        assert (remark.code, remark.field, remark.count) == ("null_word", "x", 2)
        assert remark.rows == (1, 3)
        assert repr(word) in remark.detail
        assert "nullValues" in remark.detail

    def test_each_word_of_each_column_by_itself(self) -> None:
        plan = a_plan(to("category"), to("location", "y"))
        remarks = found(plan, {"x": "null", "y": "-"}, {"x": "NULL", "y": "-"})
        assert [(each.field, each.count) for each in remarks] == [("x", 1), ("x", 1), ("y", 2)]

    def test_ids_are_looked_at_as_well(self) -> None:
        assert [each.field for each in found(a_plan(), {"sys_id": "N/A"})] == ["sys_id"]

    def test_what_only_fills_gaps_is_looked_at_as_well(self) -> None:
        plan = a_plan(to("title", "t", fallbackFields=["n"]))
        remarks = found(plan, {"t": "", "n": "NULL"})
        assert {each.code for each in remarks} == {"null_word", "filled_from_another"}

    def test_nothing_is_said_of_what_the_mapping_names_or_does_not_use(self) -> None:
        plan = a_plan(to("category"), nullValues=["null"])
        assert found(plan, {"x": "null", "other": "null"}) == []


class TestPriorityScales:
    """`a_frame` gives every record the priority 1 unless told otherwise."""

    @pytest.mark.parametrize("digits", [("1", "4"), (" 2 ", "3")])
    def test_digits_alone_are_pointed_out(self, digits: tuple[str, str]) -> None:
        remarks = [*oddities(a_frame(*({"priority": each} for each in digits)), a_plan())]
        assert [(each.code, each.count) for each in remarks] == [("priority_scale", 2)]

    @pytest.mark.parametrize("word", ["P1", "1 - Critical", "High", "low", ""])
    def test_what_names_its_meaning_is_not(self, word: str) -> None:
        assert [*oddities(a_frame({"priority": word}), a_plan())] == []

    @pytest.mark.parametrize("named", [1, "*"])
    def test_nor_is_what_the_mapping_names(self, named: int | str) -> None:
        words = [{"sourcePriority": named, "targetPriority": 4}]
        assert [*oddities(a_frame({"priority": "1"}), a_plan(priorityMappings=words))] == []


class TestFieldsToldTwice:
    def test_an_empty_field_is_filled_and_said_to_be(self) -> None:
        records = ({"incident_state": "", "state": "7"}, {"incident_state": "new", "state": "new"})
        rows = mapped(state_plan(), *records).rows
        assert rows["status"].to_list() == ["closed", "new"]
        [remark] = found(state_plan(), *records)
        assert (remark.code, remark.field, remark.rows) == ("filled_from_another", "status", (1,))

    def test_the_first_counts_where_they_disagree(self) -> None:
        record = {"incident_state": "7", "state": "new"}
        assert value_of(mapped(state_plan(), record), "status") == "closed"
        [remark] = found(state_plan(), record)
        assert (remark.code, remark.count) == ("fields_disagree", 1)
        assert remark.detail == "incident_state counts, but state has another status"

    def test_two_words_for_one_status_agree(self) -> None:
        assert found(state_plan(), {"incident_state": "7", "state": "Closed"}) == []

    def test_the_second_stays_in_custom(self) -> None:
        record = {"incident_state": "7", "state": "new"}
        assert '"state":"new"' in value_of(mapped(state_plan(), record), "custom")

    @pytest.mark.parametrize("blank", ["", " ", "NULL"])
    def test_a_title_is_taken_from_the_number(self, blank: str) -> None:
        plan = a_plan(to("title", "t", fallbackFields=["n"]), nullValues=["NULL"])
        assert value_of(mapped(plan, {"t": blank, "n": "INC1"}), "title") == "INC1"
        [remark] = found(plan, {"t": blank, "n": "INC1"})
        assert remark.code == "filled_from_another"

    def test_a_record_with_neither_is_rejected(self) -> None:
        plan = a_plan(to("title", "t", fallbackFields=["n", "absent"]))
        assert faults_of(mapped(plan, {"t": "", "n": ""})) == [(1, "title", "required_missing")]
