"""Records that contradict themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from domain.mapping.entities.incident import INCIDENT
from domain.mapping.entities.request import REQUEST
from domain.mapping.entity import Entity
from domain.mapping.plan import Plan
from domain.migration.contradictions import contradictions
from domain.migration.remark import LISTED_ROWS, Remark, gathered
from tests.domain.mapping.mapping_cases import a_mapping, a_plan, mapped, to

PLAN = a_plan(*(to(each, each) for each in ("active", "created_at", "closed_at", "resolved_at")))
LATE = str(datetime.now(UTC).year + 11)


def found(*records: dict[str, str], plan: Plan = PLAN) -> list[Remark]:
    return [*contradictions(mapped(plan, *records).rows, INCIDENT)]


@pytest.mark.parametrize(
    ("record", "codes"),
    [
        ({"status": "closed", "active": "true"}, ["closed_but_active"]),
        ({"status": "cancelled", "active": "1"}, ["closed_but_active"]),
        ({"status": "on_hold", "active": "false"}, ["open_but_inactive"]),
        ({"status": "new", "active": "no"}, ["open_but_inactive"]),
        ({"status": "resolved", "active": "true"}, []),
        ({"status": "resolved", "active": "false"}, []),
        ({"status": "closed", "active": "false"}, []),
        ({"status": "closed"}, []),
        ({"created_at": "2024-01-02", "resolved_at": "2024-01-01"}, ["dates_disagree"]),
        ({"created_at": "2024-01-02", "resolved_at": "2024-01-02"}, []),
        ({"closed_at": "2024-01-01"}, ["open_but_closed"]),
        ({"status": "closed", "closed_at": "2024-01-01"}, []),
        ({"created_at": "0001-01-01"}, ["date_long_ago"]),
        ({"created_at": "1899-12-30"}, ["date_long_ago"]),
        ({"created_at": "1900-01-01"}, ["date_long_ago"]),
        ({"created_at": "1901-01-01"}, []),
        ({"created_at": f"{LATE}-01-01"}, ["date_far_ahead"]),
        ({}, []),
    ],
)
def test_each_is_found(record: dict[str, str], codes: Sequence[str]) -> None:
    assert [each.code for each in found(record)] == codes


def test_a_remark_counts_records_and_names_the_first() -> None:
    odd = {"status": "closed", "active": "true"}
    [remark] = found(odd, {"active": "true"}, odd)
    assert (remark.field, remark.count, remark.rows) == ("status", 2, (1, 3))
    [many] = found(*[odd] * (LISTED_ROWS + 5))
    assert (many.count, len(many.rows)) == (LISTED_ROWS + 5, LISTED_ROWS)


def test_what_the_file_does_not_say_is_no_contradiction() -> None:
    assert found({"status": "closed"}, plan=a_plan()) == []


@pytest.mark.parametrize("entity", [INCIDENT, REQUEST])
def test_every_status_is_over_or_not(entity: Entity) -> None:
    assert {*entity.over, *entity.resting} < {*entity.statuses}


def test_a_request_that_is_completed_is_over() -> None:
    plan = Plan.build(a_mapping(to("active", "active")), REQUEST, "sys_id")
    rows = mapped(plan, {"status": "completed", "active": "true"}).rows
    assert [each.code for each in contradictions(rows, REQUEST)] == ["closed_but_active"]


def test_the_same_of_two_batches_is_one_remark() -> None:
    first, last = found({"active": "no"}), found({"active": "no"}, {"active": "no"})
    [remark] = gathered([*first, *last])
    assert (remark.count, remark.rows) == (3, (1, 1, 2))
