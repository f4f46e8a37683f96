"""What an entity's events make of its incident, whatever people did to it meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.notification.event import Action
from domain.notification.message import Latest
from integrations.channel import Existing
from tests.integrations.examples import message
from tests.integrations.servicenow.instance import ACK, FIRST, RESOLVE, Instance, later

TRIGGER = Action.TRIGGER
AT = datetime(2026, 11, 24, tzinfo=UTC)


async def test_a_trigger_makes_an_incident(instance: Instance) -> None:
    receipt = await instance.send(message(delivery_id=FIRST))
    values = instance.incident.values
    assert receipt.confirmed
    assert (receipt.code, receipt.reference) == (
        201,
        {
            "site": instance.receiver.url,
            "table": "incident",
            "sys_id": values["sys_id"],
            "number": "INC0010001",
        },
    )
    assert (values["correlation_id"], values["correlation_display"]) == (FIRST, "FireLater")
    assert (values["state"], values["priority"], instance.calls) == ("1", "2", ["POST"])


async def test_the_request_names_what_it_wants_back(instance: Instance) -> None:
    await instance.send(message(delivery_id=FIRST))
    path = instance.receiver.received[0].path
    for part in (
        "sysparm_display_value=false",
        "sysparm_exclude_reference_link=true",
        "sysparm_input_display_value=false",
        "sysparm_fields=sys_id%2Cnumber%2Cstate%2Ccorrelation_id%2Cshort_description",
    ):
        assert part in path
    assert "work_notes" not in path


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        (ACK, "1", "2"),
        (ACK, "2", "2"),
        (ACK, "3", "3"),  # on hold by people
        (ACK, "6", "6"),
        (RESOLVE, "1", "6"),
        (RESOLVE, "2", "6"),
        (RESOLVE, "3", "6"),
        (RESOLVE, "6", "6"),
        (TRIGGER, "1", "1"),
        (TRIGGER, "2", "2"),
        (TRIGGER, "3", "3"),
        (TRIGGER, "6", "2"),
    ],
)
async def test_a_later_event_changes_the_incident_and_notes_it(
    instance: Instance, action: Action, before: str, after: str
) -> None:
    known = await instance.begin(state=before, close_code="By hand", close_notes="By hand")
    receipt = await instance.send(later(action), known)
    assert receipt.confirmed
    assert receipt.reference == known.reference
    assert (instance.incident.values["state"], len(instance.receiver.incidents)) == (after, 1)
    [note] = instance.notes
    assert note.startswith("Later\n")
    assert instance.calls == ["POST", "GET", "PATCH", "GET"]


@pytest.mark.parametrize("state", ["7", "8"])
@pytest.mark.parametrize("action", [ACK, RESOLVE])
async def test_what_is_over_is_left_alone(instance: Instance, action: Action, state: str) -> None:
    known = await instance.begin(state=state)
    receipt = await instance.send(later(action), known)
    assert (receipt.confirmed, receipt.reference) == (False, known.reference)
    assert f"nothing to {action}: INC0010001, which is closed" in receipt.response
    assert instance.calls == ["POST", "GET"]


@pytest.mark.parametrize("state", ["7", "8"])
async def test_a_trigger_of_what_is_over_makes_another_that_names_it(
    instance: Instance, state: str
) -> None:
    known = await instance.begin(state=state)
    receipt = await instance.send(later(), known)
    assert receipt.confirmed
    assert receipt.reference is not None
    assert receipt.reference["number"] == "INC0010002"
    told = instance.incident.values["description"]
    assert told.startswith("Continues INC0010001, which is closed.\n\nQueries take 20 s.")
    assert await instance.send(later(ACK, alert_key="k"), Existing(receipt.reference))
    assert [each.values["state"] for each in instance.receiver.incidents] == [state, "2"]


async def test_a_trigger_of_what_was_deleted_makes_another(instance: Instance) -> None:
    known = await instance.begin()
    instance.receiver.tables["incident"].delete(instance.incident)
    receipt = await instance.send(later(), known)
    assert receipt.confirmed
    told = instance.incident.values["description"]
    assert told.startswith("Continues INC0010001, which was deleted, or is hidden from the user.")


@pytest.mark.parametrize("action", [ACK, RESOLVE])
async def test_what_was_deleted_is_neither_acknowledged_nor_resolved(
    instance: Instance, action: Action
) -> None:
    known = await instance.begin()
    instance.receiver.tables["incident"].delete(instance.incident)
    receipt = await instance.send(later(action), known)
    assert (receipt.confirmed, instance.receiver.incidents) == (False, [])
    assert "deleted" in receipt.response


@pytest.mark.parametrize("action", [ACK, RESOLVE])
async def test_without_an_incident_there_is_nothing_to_do(
    instance: Instance, action: Action
) -> None:
    receipt = await instance.send(later(action))
    assert (receipt.confirmed, receipt.reference, instance.calls) == (False, None, [])
    assert receipt.response.endswith(f"nothing to {action}: no record was made for this entity")


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", ["1", "6"])
async def test_what_comes_late_only_notes_it(
    instance: Instance, action: Action, state: str
) -> None:
    known = await instance.begin(state=state, close_code="x", close_notes="x")
    latest = Latest("incident.updated", "Newer", AT)
    receipt = await instance.send(later(action, latest=latest), known)
    assert (receipt.confirmed, instance.incident.values["state"]) == (True, state)
    assert instance.notes[0].startswith("Late: this happened at 2026-11-23 10:00:00 UTC.")
    assert instance.bodies[-1].keys() == {"work_notes"}


async def test_what_comes_late_begins_nothing_anew(instance: Instance) -> None:
    known = await instance.begin(state="7")
    latest = Latest("incident.updated", "Newer", AT)
    receipt = await instance.send(later(latest=latest), known)
    assert (receipt.confirmed, len(instance.receiver.incidents)) == (False, 1)
    resolved = Latest("incident.resolved", "Over", AT)
    receipt = await instance.send(later(latest=resolved))
    assert (receipt.confirmed, len(instance.receiver.incidents)) == (False, 1)
    receipt = await instance.send(later(latest=latest))
    assert (receipt.confirmed, len(instance.receiver.incidents)) == (True, 2)
    assert instance.incident.values["description"].startswith("Late: ")


async def test_a_resolve_says_how(instance: Instance) -> None:
    known = await instance.begin()
    await instance.send(later(RESOLVE), known)
    assert (
        instance.bodies[-1].items()
        >= {
            "state": "6",
            "close_code": "Solution provided",
            "close_notes": "Resolved in FireLater: Later",
        }.items()
    )


async def test_a_resolve_says_what_the_config_wants(instance: Instance) -> None:
    known = await instance.begin()
    config = {"closeCode": "Workaround provided", "closeNotes": "By FireLater"}
    await instance.send(later(RESOLVE), known, resolveFields={"category": "network"}, **config)
    values = instance.incident.values
    assert (values["close_code"], values["close_notes"]) == tuple(config.values())
    assert (values["category"], values["active"]) == ("network", "true")


async def test_states_may_be_others(instance: Instance) -> None:
    known = await instance.begin(state="-5")
    states = {"new": -5, "acknowledge": 3, "resolve": 8, "reopen": 1, "closed": [7]}
    for action, after in ((ACK, "3"), (TRIGGER, "3"), (RESOLVE, "8")):
        await instance.send(later(action), known, states=states)
        assert instance.incident.values["state"] == after


async def test_a_reference_of_elsewhere_names_a_stranger(instance: Instance) -> None:
    known = await instance.begin()
    assert known.reference is not None
    for other in ({"site": "https://other.service-now.com"}, {"table": "problem"}):
        elsewhere = replace(known, reference={**known.reference, **other})
        receipt = await instance.send(later(ACK), elsewhere)
        assert (receipt.confirmed, receipt.reference) == (False, None)
    assert instance.calls == ["POST"]
