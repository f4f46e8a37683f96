"""What may have arrived is looked for before it is repeated, and strangers are left alone."""

import json

import pytest

from domain.integration.outcome import FailureClass
from domain.notification.event import Action
from integrations.channel import Existing
from receivers.receiver import Reply
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


def doubtful(*ids: str, ago: float = SETTLED, known: Existing | None = None) -> Existing:
    return Existing(known.reference if known else None, ids, ago)


async def test_a_creation_whose_answer_is_lost_is_found_again(instance: Instance) -> None:
    instance.receiver.loses = 1
    failure = await instance.failure(message(delivery_id=FIRST))
    assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, True)
    receipt = await instance.send(message(delivery_id=FIRST), doubtful(FIRST))
    assert (receipt.confirmed, len(instance.receiver.incidents)) == (True, 1)
    assert receipt.reference is not None
    assert receipt.reference["sys_id"] == instance.incident.values["sys_id"]
    assert instance.calls == ["POST", "GET"]


async def test_a_creation_that_did_not_arrive_is_repeated(instance: Instance) -> None:
    receipt = await instance.send(message(delivery_id=FIRST), doubtful(FIRST))
    assert (receipt.confirmed, instance.calls) == (True, ["GET", "POST"])


@pytest.mark.parametrize("ago", [0.0, 5.0, 59.0])
async def test_a_slow_instance_is_not_asked_too_early(instance: Instance, ago: float) -> None:
    failure = await instance.failure(message(delivery_id=FIRST), doubtful(FIRST, ago=ago))
    assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, False)
    assert failure.retry_after == SETTLED - ago
    assert instance.calls == []


async def test_another_deliverys_creation_is_found_and_changed(instance: Instance) -> None:
    instance.receiver.loses = 1
    await instance.failure(message(delivery_id=FIRST))
    receipt = await instance.send(later(ACK), doubtful(FIRST))
    assert (receipt.confirmed, instance.incident.values["state"]) == (True, "2")
    assert len(instance.notes) == 1


async def test_of_several_the_open_one_is_changed(instance: Instance) -> None:
    for id in (FIRST, SECOND):
        await instance.send(message(delivery_id=id))
    instance.receiver.incidents[0].values["state"] = "7"
    third = message(delivery_id="d-3", action=RESOLVE)
    receipt = await instance.send(third, doubtful(FIRST, SECOND))
    assert receipt.reference is not None
    assert receipt.reference["number"] == "INC0010002"
    assert [each.values["state"] for each in instance.receiver.incidents] == ["7", "6"]


async def test_as_many_as_there_can_be_are_looked_for_at_once(instance: Instance) -> None:
    ids = tuple(f"019ab0de-0000-7000-8000-{number:012}" for number in range(100, 120))
    await instance.send(message(delivery_id=ids[-1]))
    receipt = await instance.send(later(ACK), doubtful(*ids))
    assert (receipt.confirmed, instance.calls) == (True, ["POST", "GET", "PATCH", "GET"])
    assert max(len(each.path) for each in instance.receiver.received) < 1_990


async def test_a_second_incident_whose_answer_is_lost_is_found_again(instance: Instance) -> None:
    known = await instance.begin(state="7")
    instance.receiver.loses = 1
    await instance.failure(later(), known)
    receipt = await instance.send(later(), doubtful(SECOND, known=known))
    assert receipt.reference is not None
    assert receipt.reference["number"] == "INC0010002"
    assert len(instance.receiver.incidents) == 2


@pytest.mark.parametrize("action", Action)
async def test_a_note_whose_answer_is_lost_is_not_written_again(
    instance: Instance, action: Action
) -> None:
    known = await instance.begin()
    instance.receiver.loses = 1
    await instance.failure(later(action), known)
    receipt = await instance.send(later(action), doubtful(SECOND, known=known))
    assert (receipt.confirmed, receipt.reference) == (True, known.reference)
    assert "by an earlier attempt" in receipt.response
    assert len(instance.notes) == 1


async def test_a_change_that_did_not_arrive_is_repeated(instance: Instance) -> None:
    known = await instance.begin()
    receipt = await instance.send(later(ACK), doubtful(SECOND, known=known))
    assert (receipt.confirmed, instance.incident.values["state"]) == (True, "2")
    assert len(instance.notes) == 1


async def test_a_note_is_found_at_the_head_of_a_journal_too_long_to_read(
    instance: Instance,
) -> None:
    known = await instance.begin()
    await instance.send(message(delivery_id="d-0", body="x" * 3_000), known)
    [entry] = instance.incident.journals["work_notes"]
    instance.incident.journals["work_notes"] = [entry] * 40
    receipt = await instance.send(later(), known)
    assert receipt.confirmed
    again = await instance.send(later(), doubtful(SECOND, known=known))
    assert (again.confirmed, len(instance.notes)) == (True, 41)


async def test_a_journal_that_is_not_shown_has_the_note_twice(instance: Instance) -> None:
    known = await instance.begin()
    instance.receiver.unreadable = {"work_notes"}
    instance.receiver.loses = 1
    await instance.failure(later(), known)
    receipt = await instance.send(later(), doubtful(SECOND, known=known))
    assert (receipt.confirmed, len(instance.notes)) == (False, 2)
    assert "not proved" in receipt.response


async def test_a_journal_that_cannot_be_read_now_is_read_later(instance: Instance) -> None:
    known = await instance.begin()
    reading = json.dumps({"result": {"sys_id": "a" * 32, "number": "INC1", "state": "1"}})
    nothing = Reply(200, '{"result": []}')
    instance.receiver.told.extend([nothing, Reply(200, reading), Reply(503)])
    failure = await instance.failure(later(), doubtful(SECOND, known=known))
    assert (failure.kind, failure.status) == (FailureClass.TRANSIENT, 503)
    assert (failure.maybe_sent, instance.notes) == (False, [])


async def test_a_look_that_fails_has_written_nothing(instance: Instance) -> None:
    known = await instance.begin()
    cut = Reply(reset=True)  # twice, as a GET is sent again at once
    for replies in ([Reply(503)], [cut, cut], [Reply(200, "")]):
        instance.receiver.told.extend(replies)
        failure = await instance.failure(later(ACK), known)
        assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, False)


@pytest.mark.parametrize("hidden", [{"correlation_id"}, set()])
async def test_an_ignored_search_finds_strangers_and_touches_none(
    instance: Instance, hidden: set[str]
) -> None:
    """The instance gives every record for a condition that it does not understand."""
    strangers = [{"sys_id": f"{n:032}", "state": "1", "correlation_id": f"s-{n}"} for n in range(9)]
    instance.receiver.tables["incident"].fill(strangers)
    instance.receiver.unreadable = hidden
    if not hidden:
        rows = [{"sys_id": f"{0:032}", "state": "1", "correlation_id": "s-0"}]
        instance.receiver.told.append(Reply(200, json.dumps({"result": rows})))
    failure = await instance.failure(later(RESOLVE), doubtful(FIRST))
    assert failure.kind is FailureClass.MISCONFIGURED
    assert "let the user read correlation_id" in failure.detail.replace("Let", "let")
    assert instance.calls == ["GET"]


async def test_the_same_event_makes_the_same_request(instance: Instance) -> None:
    for _ in range(2):
        await instance.send(message(delivery_id=FIRST))
    first, second = instance.bodies
    assert first == second
