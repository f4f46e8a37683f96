"""Which channels an event goes to, and why it does not go to the others."""

from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notification.delivery import Reason
from domain.notification.event import Severity
from domain.notification.preference import Preferences
from domain.notification.routing import Decision, RoutedEvent, RoutingChannel, routes

ON = {"is_active": True}


def event(user: str | None = "u-1", **metadata: Any) -> RoutedEvent:
    """As far as rules ask of it."""
    recipient = {"id": user} if user else None
    asked = {"event_type": "a.b", "metadata": metadata, "recipient": recipient, "origin": None}
    return cast("RoutedEvent", asked)


def channel(number: int, **changed: Any) -> RoutingChannel:
    """As far as rules ask of it."""
    own = {"id": UUID(int=number), "is_default": True, "is_active": True, "integration": ON}
    own |= {"channel_type": "slack", "severity": Severity.INFO}
    return cast("RoutingChannel", own | changed)


ELSEWHERE, THERE = UUID(int=8), UUID(int=9)


@pytest.mark.parametrize("origin", [None, ELSEWHERE, THERE])
def test_what_was_done_in_a_tool_is_not_told_there(origin: UUID | None) -> None:
    done = cast("RoutedEvent", {**event(), "origin": origin})
    [found] = routes([done], [channel(1, integration_id=THERE)], {})
    assert found.reason == (Reason.DONE_THERE if origin == THERE else None)


def chosen(**values: Any) -> dict[str, Preferences]:
    return {"u-1": Preferences.model_validate(values)}


def reasons(found: list[Decision]) -> list[tuple[int | None, str | None]]:
    return [(each.channel_id.int if each.channel_id else None, each.reason) for each in found]


@pytest.mark.parametrize(
    ("changed", "mine", "reason"),
    [
        ({}, {}, None),
        ({"is_active": False}, {}, Reason.CHANNEL_OFF),
        ({"integration": None}, {}, Reason.INTEGRATION_DELETED),
        ({"integration": {"is_active": False}}, {}, Reason.INTEGRATION_OFF),
        ({}, {"muted": True}, Reason.MUTED),
        ({}, {"minSeverity": "error"}, Reason.BELOW_MIN_SEVERITY),
        ({}, {"eventTypes": {"exclude": ["a.*"]}}, Reason.EVENT_TYPE_EXCLUDED),
        ({}, {"eventTypes": {"include": ["b.*"]}}, Reason.EVENT_TYPE_EXCLUDED),
        ({"is_active": False}, {"muted": True}, Reason.MUTED),
    ],
)
def test_a_channel_that_gets_nothing_has_its_reason(
    changed: dict[str, Any], mine: dict[str, Any], reason: Reason | None
) -> None:
    found = list(routes([event()], [channel(1, **changed)], chosen(**mine)))
    assert reasons(found) == [(1, reason)]


def test_only_channels_that_it_would_have_gone_to_are_named() -> None:
    channels = [channel(1, is_default=False), channel(2, is_default=False, is_active=False)]
    assert reasons(list(routes([event()], channels, {}))) == [(None, Reason.NO_CHANNEL)]


def test_a_choice_of_what_is_gone_is_on_record() -> None:
    mine = chosen(channels=[str(UUID(int=7)), str(UUID(int=1))])
    found = list(routes([event()], [channel(1, is_default=False)], mine))
    assert reasons(found) == [(7, Reason.CHANNEL_DELETED), (1, None)]


def test_who_chose_no_channel_has_that_on_record() -> None:
    found = list(routes([event()], [channel(1)], chosen(channels=[])))
    assert reasons(found) == [(None, Reason.NO_CHANNEL)]


def test_the_integrations_own_severity_counts_in_each_channel() -> None:
    channels = [channel(1, severity=Severity.CRITICAL), channel(2, severity=Severity.INFO)]
    found = list(routes([event()], channels, chosen(minSeverity="warning")))
    assert reasons(found) == [(1, None), (2, Reason.BELOW_MIN_SEVERITY)]
    assert found[0].severity is Severity.CRITICAL


def test_what_an_event_says_of_itself_counts_more() -> None:
    channels = [channel(1, severity=Severity.CRITICAL)]
    found = list(routes([event(severity="info")], channels, chosen(minSeverity="warning")))
    assert reasons(found) == [(1, Reason.BELOW_MIN_SEVERITY)]


CHANNELS = st.lists(
    st.builds(
        lambda number, default, used, integration: channel(
            number, is_default=default, is_active=used, integration=integration
        ),
        st.integers(1, 5),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, ON, {"is_active": False}]),
    ),
    unique_by=lambda each: each["id"],
)
MINE = st.fixed_dictionaries(
    {},
    optional={
        "muted": st.booleans(),
        "channels": st.lists(st.integers(1, 9).map(lambda n: str(UUID(int=n))), max_size=4),
        "minSeverity": st.sampled_from([*map(str, Severity)]),
    },
)


@given(CHANNELS, MINE, st.booleans())
def test_no_event_is_without_a_trace(
    channels: list[RoutingChannel], mine: dict[str, Any], is_mine: bool
) -> None:
    user = "u-1" if is_mine else "u-2"
    found = list(routes([event(user)], channels, chosen(**mine)))
    assert found
    for each in found:
        usable = each.channel is not None and each.channel["is_active"]
        assert each.reason is not None or usable
        assert (each.channel is None) <= (each.reason is not None)
