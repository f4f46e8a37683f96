"""What the instance drops or changes without an error is noticed and said."""

import pytest

from domain.integration.outcome import FailureClass
from domain.notification.event import Action
from integrations.channel import Existing
from tests.integrations.examples import message
from tests.integrations.servicenow.instance import (
    ACK,
    FIRST,
    RESOLVE,
    SECOND,
    SETTLED,
    Instance,
    later,
)


async def test_optional_fields_that_are_dropped_are_named(instance: Instance) -> None:
    instance.receiver.rules.unwritable = {"category", "assignment_group"}
    receipt = await instance.send(message(delivery_id=FIRST), fields={"u_none": "x"})
    assert receipt.confirmed
    assert receipt.response.endswith(
        "Not taken by the instance (no such field, or no right to write or read it):"
        " assignment_group, category, u_none"
    )


async def test_fields_that_a_business_rule_changes_are_named(instance: Instance) -> None:
    instance.receiver.rules.sets = {"impact": "3", "description": "Rewritten"}
    receipt = await instance.send(message(delivery_id=FIRST))
    assert receipt.confirmed
    assert receipt.response.endswith("Changed by the instance: impact")


async def test_what_is_taken_is_not_mentioned(instance: Instance) -> None:
    known = await instance.begin()
    for said in (later(ACK), later(RESOLVE)):
        assert "instance" not in (await instance.send(said, known)).response


@pytest.mark.parametrize(("action", "before"), [(ACK, "1"), (RESOLVE, "1"), (Action.TRIGGER, "6")])
async def test_a_state_that_stays_is_a_fault_to_correct(
    instance: Instance, action: Action, before: str
) -> None:
    known = await instance.begin(state=before, close_code="x", close_notes="x")
    instance.receiver.rules.unwritable = {"state"}
    failure = await instance.failure(later(action), known)
    assert (failure.kind, failure.maybe_sent) == (FailureClass.MISCONFIGURED, True)
    assert f"INC0010001 keeps its state {before} although" in failure.detail
    assert len(instance.notes) == 1
    instance.receiver.rules.unwritable = set()
    again = Existing(known.reference, (SECOND,), SETTLED)
    assert (await instance.send(later(action), again)).confirmed
    assert instance.incident.values["state"] != before
    assert len(instance.notes) == 1


async def test_a_rule_that_goes_on_to_another_state_is_theirs_to_decide(instance: Instance) -> None:
    known = await instance.begin()
    instance.receiver.rules.sets = {"state": "3"}
    receipt = await instance.send(later(ACK), known)
    assert (receipt.confirmed, "Changed by the instance: state" in receipt.response) == (True, True)


async def test_a_note_that_is_dropped_is_a_fault_if_it_is_all(instance: Instance) -> None:
    known = await instance.begin()
    await instance.send(message(delivery_id="d-0"), known)
    instance.receiver.rules.unwritable = {"work_notes"}
    failure = await instance.failure(later(), known)
    assert (failure.kind, failure.maybe_sent) == (FailureClass.MISCONFIGURED, False)
    assert failure.detail == (
        "INC0010001 did not take the work note: let the user write work_notes of incident"
    )
    receipt = await instance.send(later(RESOLVE), known)
    assert (receipt.confirmed, instance.incident.values["state"]) == (True, "6")
    assert receipt.response.endswith("The work note was not taken.")


@pytest.mark.parametrize("action", Action)
async def test_a_note_that_cannot_be_seen_is_not_proved(instance: Instance, action: Action) -> None:
    known = await instance.begin()
    instance.receiver.unreadable = {"work_notes"}
    receipt = await instance.send(later(action), known)
    assert receipt.confirmed is (action is not Action.TRIGGER)
    assert receipt.response.endswith("as the user sees no work notes")


async def test_a_state_that_cannot_be_read_lets_nothing_be_changed(instance: Instance) -> None:
    known = await instance.begin()
    instance.receiver.unreadable = {"state"}
    failure = await instance.failure(later(ACK), known)
    assert failure.kind is FailureClass.MISCONFIGURED
    assert "may not read `state` of incident" in failure.detail
    assert instance.calls == ["POST", "GET"]


async def test_a_policy_that_asks_for_more_is_named(instance: Instance) -> None:
    known = await instance.begin()
    failure = await instance.failure(later(RESOLVE), known, closeCode=None)
    assert failure.kind is FailureClass.MISCONFIGURED
    assert "The following fields are mandatory: Resolution code; give these" in failure.detail
    instance.receiver.rules.demands = {"caller_id"}
    failure = await instance.failure(message())
    assert "mandatory: caller_id" in failure.detail
    assert (await instance.send(message(), callerId="a" * 32)).confirmed
