"""Which event types are equal, and what follows from their names."""

import re
import string

import pytest

from domain.notification.event import Action, Event, action, stated_severity
from domain.notification.event_type import closest, fits, folded
from domain.notification.preference import Choice, Preferences, unwanted
from domain.notification.severity import Severity


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sla-breach", "sla.breached", True),
        ("sla_breach", "SLA-Breached", True),
        ("incident-resolve", "incident.resolved", True),
        ("issue_closed", "issue.close", True),
        ("incident:resolved", "incident.resolve", True),
        ("job-failure", "job.failed", True),
        ("change-approval", "change.approved", False),  # it asks for what the other tells
        ("shift_swap_accepted", "shift_swap_acknowledged", False),
        ("breach-sla", "breached.sla", False),  # endings only
        ("issue", "issues", False),
        ("issue.created", "issuecreated", False),
    ],
)
def test_separators_are_one_and_known_endings_alike(one: str, other: str, same: bool) -> None:
    assert (folded(one) == folded(other)) is same
    assert fits(one, other) is fits(other, one) is same


@pytest.mark.parametrize(
    ("event_type", "severity", "done"),
    [
        ("sla-breach", Severity.CRITICAL, Action.TRIGGER),
        ("sla_breached", Severity.CRITICAL, Action.TRIGGER),
        ("sla-breach-warning", Severity.WARNING, Action.TRIGGER),
        ("issue-assigned", None, Action.TRIGGER),
        ("change-approval", None, Action.TRIGGER),
        ("shift_swap_accepted", None, Action.TRIGGER),
        ("incident-resolved", None, Action.RESOLVE),
        ("incident_closed", None, Action.RESOLVE),
        ("incident:resolved", None, Action.RESOLVE),
        ("sla:breach", Severity.CRITICAL, Action.TRIGGER),
        ("incident-acknowledge", None, Action.ACKNOWLEDGE),
        ("unresolved", None, Action.TRIGGER),
    ],
)
def test_severity_and_action_follow(
    event_type: str, severity: Severity | None, done: Action
) -> None:
    assert (stated_severity(event_type, {}), action(event_type)) == (severity, done)


def test_whatever_a_type_may_hold_beside_letters_and_digits_separates() -> None:
    [rule] = [
        each for each in Event.model_fields["event_type"].metadata if hasattr(each, "pattern")
    ]
    marks = [mark for mark in string.punctuation if re.fullmatch(rule.pattern, f"a{mark}b")]
    assert {folded(f"incident{mark}resolved") for mark in marks} == {"incident.resolved"}


def test_below_a_type_is_what_begins_with_it() -> None:
    assert fits("issue.*", "issue-created")
    assert fits("issue.*", "issue:created")
    assert fits("sla-breach.*", "sla.breach.late")
    assert not fits("issue.*", "issue")
    assert not fits("issue.*", "issues_created")


def test_the_closest_pattern_counts() -> None:
    patterns = ["issue.*", "issue-created", "issue.created", "issue.created.*"]
    assert closest(patterns, "issue.created") == "issue.created"
    assert closest(patterns, "issue_created") in ("issue-created", "issue.created")
    assert closest(patterns, "issue.created.twice") == "issue.created.*"
    assert closest(patterns, "sla.breached") is None


def test_a_row_goes_before_the_lists_and_after_the_rest() -> None:
    def told(type: str, **chosen: object) -> bool:
        rows = (
            Choice(event_type="issue.*", channel_type="email", enabled=False),
            Choice(event_type="issue.created", channel_type="email", enabled=True),
        )
        given = Preferences.model_validate(chosen).model_copy(update={"choices": rows})
        return unwanted(given, type, Severity.INFO, "email") is None

    assert told("issue-created")
    assert not told("issue-closed")
    assert told("sla-breach")
    lists = {"eventTypes": {"exclude": ["issue.created", "sla.breached"]}}
    assert told("issue.created", **lists)
    assert not told("sla-breach", **lists)
    assert not told("issue.created", muted=True)
    assert not told("issue.created", minSeverity="error")
