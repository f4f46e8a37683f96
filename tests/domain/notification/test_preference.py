"""The rules of a user's preferences."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notification.event import Severity
from domain.notification.preference import Listed, Preferences, targets, unwanted

WORDS = st.sampled_from(["incident", "incidents", "created", "sla", "breached", "x"])


def wants(mine: Preferences, event_type: str, severity: Severity) -> bool:
    return unwanted(mine, event_type, severity, "email") is None


EVENT_TYPES = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(EVENT_TYPES | EVENT_TYPES.map(lambda each: f"{each}.*"), max_size=3)
SEVERITIES = st.sampled_from(Severity)
IDS = [UUID(int=number) for number in range(5)]


@st.composite
def preferences(draw: st.DrawFn, /, **fixed: Any) -> Preferences:
    made = {
        "muted": draw(st.booleans()),
        "channels": draw(st.none() | st.lists(st.sampled_from(IDS))),
        "eventTypes": {"include": draw(PATTERNS), "exclude": draw(PATTERNS)},
        "minSeverity": draw(st.none() | SEVERITIES),
    }
    return Preferences.model_validate(made | fixed)


def events(include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Preferences:
    return Preferences.model_validate({"eventTypes": {"include": include, "exclude": exclude}})


@given(EVENT_TYPES, SEVERITIES)
def test_who_chose_nothing_is_told_everything(event_type: str, severity: Severity) -> None:
    assert wants(Preferences(), event_type, severity)


@given(preferences(muted=True), EVENT_TYPES, SEVERITIES)
def test_the_muted_are_told_nothing(mine: Preferences, event_type: str, level: Severity) -> None:
    assert not wants(mine, event_type, level)


@given(preferences(), EVENT_TYPES, SEVERITIES, SEVERITIES)
def test_what_is_more_urgent_is_never_less_wanted(
    mine: Preferences, event_type: str, one: Severity, other: Severity
) -> None:
    more, less = sorted((one, other), key=lambda each: each.rank)
    assert wants(mine, event_type, more) or not wants(mine, event_type, less)


@given(EVENT_TYPES, SEVERITIES, SEVERITIES)
def test_the_least_severity_is_itself_told(
    event_type: str, least: Severity, level: Severity
) -> None:
    mine = Preferences(min_severity=least)
    assert wants(mine, event_type, least)
    assert wants(mine, event_type, level) == (level.rank <= least.rank)


@given(PATTERNS, EVENT_TYPES, SEVERITIES)
def test_to_exclude_is_the_reverse_of_to_include(
    patterns: list[str], event_type: str, level: Severity
) -> None:
    excluded = wants(events(exclude=patterns), event_type, level)
    included = bool(patterns) and wants(events(include=patterns), event_type, level)
    assert excluded != included


@given(PATTERNS, PATTERNS, EVENT_TYPES, SEVERITIES)
def test_what_is_excluded_stays_so_whatever_is_included(
    include: list[str], exclude: list[str], event_type: str, level: Severity
) -> None:
    only = wants(events(include=include), event_type, level)
    without = wants(events(exclude=exclude), event_type, level)
    assert wants(events(include, exclude), event_type, level) == (only and without)


@pytest.mark.parametrize(
    ("pattern", "event_type", "matches"),
    [
        ("incident.created", "incident.created", True),
        ("incident.created", "incident.created.late", False),
        ("incident.*", "incident.created", True),
        ("incident.*", "incident.sla.breached", True),
        ("incident.*", "incident", False),
        ("incident.*", "incidents.created", False),
        ("incident.sla.*", "incident.created", False),
        ("a+b.*", None, None),
        ("*", None, None),
        ("*.created", None, None),
        ("a\n", None, None),
    ],
)
def test_a_pattern_is_a_type_or_all_below_one(
    pattern: str, event_type: str | None, matches: bool
) -> None:
    if event_type is None:
        with pytest.raises(ValueError, match="pattern"):
            events(include=[pattern])
    else:
        assert wants(events(include=[pattern]), event_type, Severity.INFO) is matches


CHANNELS = st.lists(
    st.builds(lambda id, default: {"id": id, "is_default": default}, st.sampled_from(IDS),
              st.booleans()),
    unique_by=lambda channel: channel["id"],
)  # fmt: skip


@given(preferences(channels=None), CHANNELS)
def test_without_a_choice_the_default_channels_are_used(
    mine: Preferences, channels: list[Listed]
) -> None:
    assert targets(mine, channels) == [each["id"] for each in channels if each["is_default"]]


@given(st.lists(st.sampled_from(IDS)), CHANNELS)
def test_a_choice_is_taken_as_it_is_also_of_what_is_gone(
    ids: list[UUID], channels: list[Listed]
) -> None:
    found = targets(Preferences(channels=tuple(ids)), channels)
    assert (set(found), len(found)) == (set(ids), len(set(ids)))


@given(preferences())
def test_a_choice_survives_being_stored(mine: Preferences) -> None:
    stored = mine.model_dump(mode="json", by_alias=True)
    assert Preferences.model_validate(stored) == mine
