"""The life of an entity as ServiceNow's incident, on the whole service."""

from receivers.servicenow import ServiceNowReceiver
from receivers.servicenow.login import EXAMPLE_PASSWORD, EXAMPLE_USER
from tests.api.notification import notifying as n
from tests.api.notification.test_life_of_an_alert import LIFE, tell
from tests.service import Tenant

AGAIN = ("incident.reopened", "Printer burns again")


async def servicenow(tenant: Tenant, receiver: ServiceNowReceiver) -> None:
    login = {"username": EXAMPLE_USER, "password": EXAMPLE_PASSWORD}
    made = await n.integration(tenant, "servicenow", login | {"instanceUrl": receiver.url})
    await n.channel(tenant, made, "servicenow")


async def test_an_entity_has_one_incident_with_the_latest_state(tenant: Tenant) -> None:
    states = []
    async with n.receiving(tenant, ServiceNowReceiver()) as receiver:
        await servicenow(tenant, receiver)
        told = []
        for each in (*LIFE, AGAIN):
            told.append(await tell(tenant, *each))
            states.append(receiver.incidents[0].values["state"])
    assert [each["status"] for each in told] == ["delivered"] * 4
    assert states == ["1", "2", "6", "2"]
    assert {each["reference"]["number"] for each in told} == {"INC0010001"}
    [incident] = receiver.incidents
    notes = [entry.text.splitlines()[0] for entry in incident.journals["work_notes"]]
    assert notes == ["Jo is on it", "Fire is out", "Printer burns again"]


async def test_a_state_that_may_not_be_written_waits_and_notes_once(tenant: Tenant) -> None:
    async with n.receiving(tenant, ServiceNowReceiver()) as receiver:
        await servicenow(tenant, receiver)
        await tell(tenant, *LIFE[0])
        receiver.rules.unwritable = {"state"}
        [id] = await n.notify(
            tenant, eventType=LIFE[2][0], title="Over", entityType="incident", entityId="INC-1"
        )
        [waiting] = await n.deliveries(
            tenant, id, lambda found: bool(found and found[0]["lastClass"])
        )
    assert (waiting["lastClass"], waiting["status"]) == ("misconfigured", "retrying")
    assert "INC0010001 keeps its state 1 although 6 was set" in waiting["lastError"]
    assert len(receiver.incidents[0].journals["work_notes"]) == 1
