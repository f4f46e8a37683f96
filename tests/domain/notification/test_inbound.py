"""What people do in a vendor's tool: whether it changes anything, and the event of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notification.event import Action, StoredEvent, action
from domain.notification.inbound import VendorAction, changes, event_of, state_after

T, A, R = Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE
LAST: StoredEvent = {
    "id": UUID(int=1),
    "event_type": "incident.created",
    "title": "Printer on fire",
    "body": "",
    "entity_type": "incident",
    "entity_id": "INC-1",
    "metadata": {"severity": "critical", "floor": 3},
    "recipient": {"id": "u-1", "email": "jo@acme.example"},
    "created_at": datetime(2026, 11, 28, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ([], None),
        ([T], T),
        ([T, T], T),
        ([T, A], A),
        ([T, A, T], A),
        ([T, A, R], R),
        ([T, R, A], R),
        ([T, A, R, T], T),
        ([R], R),
        ([A], A),
    ],
)
def test_the_state_is_that_after_all_events(actions: list[Action], state: Action | None) -> None:
    assert state_after(actions) is state


@pytest.mark.parametrize(("state", "effective"), [(None, []), (T, [A, R]), (A, [R]), (R, [T])])
def test_only_what_changes_the_state_has_an_effect(
    state: Action | None, effective: list[Action]
) -> None:
    assert [each for each in (T, A, R) if changes(state, each)] == effective


@given(st.lists(st.sampled_from(Action), min_size=1), st.sampled_from(Action))
def test_what_has_had_its_effect_has_none_again(before: list[Action], done: Action) -> None:
    if changes(state_after(before), done):
        assert not changes(state_after([*before, done]), done)


@pytest.mark.parametrize("done", Action)
def test_the_event_does_to_the_entity_what_the_person_did(done: Action) -> None:
    event = event_of(VendorAction(done, "incident_INC-1", "Jo", "on it"), "Slack", LAST, "k")
    assert action(event.event_type) is done
    assert (event.entity_type, event.entity_id) == ("incident", "INC-1")
    assert event.title.endswith(" in Slack by Jo")
    assert event.body == "on it"
    assert event.metadata == {"by": "Jo", "via": "Slack", "severity": "critical"}
    assert event.user is not None
    assert event.user.id == "u-1"


@pytest.mark.parametrize("odd", ["", "ein Vorfall", "x" * 81, "a/b"])
def test_an_odd_type_of_entity_still_makes_an_event(odd: str) -> None:
    last: Any = {**LAST, "entity_type": odd or None, "recipient": None, "metadata": {}}
    event = event_of(VendorAction(Action.RESOLVE, "k", ""), "PagerDuty", last, "k")
    assert event.event_type == "entity.resolved"
    assert event.title == "Resolved in PagerDuty"


@pytest.mark.parametrize("odd", ["\0", "\ud800", "\udc00x\0"])
def test_what_cannot_be_stored_is_left_out(odd: str) -> None:
    done = VendorAction(Action.RESOLVE, f"k{odd}", f"Jo{odd}", odd, (("alias", odd),))
    event = event_of(done, "Slack", LAST, f"call {odd}")
    for text in (done.alert_key, done.reference[0][1], event.title, event.body):
        assert "\0" not in text
        assert text.encode().decode() == text


def test_a_repetition_has_the_same_dedup_key() -> None:
    def key(done: Action, call: str) -> str | None:
        return event_of(VendorAction(done, "incident_INC-1", "Jo"), "Slack", LAST, call).dedup_key

    assert key(Action.RESOLVE, "k") == key(Action.RESOLVE, "k")
    others = {key(Action.ACKNOWLEDGE, "k"), key(Action.RESOLVE, "l")}
    assert key(Action.RESOLVE, "k") not in others
