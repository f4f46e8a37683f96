"""The life of an alert in the tools that show it: opened, acknowledged, resolved, on the whole
service."""

from typing import Any

from receivers.receiver import Reply
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

LIFE = (
    ("incident.created", "Printer on fire"),
    ("incident.acknowledged", "Jo is on it"),
    ("incident.resolved", "Fire is out"),
)


async def slack(tenant: Tenant, receiver: SlackReceiver) -> None:
    values = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops"}
    made = await n.integration(tenant, "slack", values | {"baseUrl": f"{receiver.url}/api"})
    await n.channel(tenant, made, "slack")


async def tell(tenant: Tenant, type: str, title: str, entity: str = "INC-1") -> dict[str, Any]:
    """The finished delivery of an event of the entity."""
    [id] = await n.notify(
        tenant, eventType=type, title=title, entityType="incident", entityId=entity
    )
    [delivery] = await n.deliveries(tenant, id)
    return delivery


async def test_slack_shows_one_message_with_the_latest_state(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver()) as receiver:
        await slack(tenant, receiver)
        told = [await tell(tenant, *each) for each in LIFE]
    assert [each["status"] for each in told] == ["delivered"] * 3
    first, *replies = (each["message"] for each in receiver.messages)
    assert first["blocks"][0]["text"]["text"] == "Printer on fire"
    assert first["blocks"][1]["text"]["text"].startswith("Resolved, ")
    assert [each["thread_ts"] for each in replies] == [first["ts"]] * 2
    assert [each["reference"]["ts"] for each in told] == [first["ts"]] * 3


async def test_each_entity_has_a_message_of_its_own(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver()) as receiver:
        await slack(tenant, receiver)
        for entity in ("INC-1", "INC-2"):
            await tell(tenant, *LIFE[0], entity)
        await tell(tenant, *LIFE[2], "INC-2")
    one, two, reply = (each["message"] for each in receiver.messages)
    assert "edited" not in one
    assert two["edited"]
    assert reply["thread_ts"] == two["ts"]


async def test_an_edit_that_fails_is_made_later_and_posts_nothing_twice(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver()) as receiver:
        await slack(tenant, receiver)
        await tell(tenant, *LIFE[0])
        receiver.told.append(Reply(503, ""))
        told = await tell(tenant, *LIFE[2])
    assert [each["class"] for each in told["log"]] == ["transient", None]
    first, reply = (each["message"] for each in receiver.messages)
    assert first["blocks"][1]["text"]["text"].startswith("Resolved, ")
    assert reply["thread_ts"] == first["ts"]


async def test_a_deleted_integration_leaves_no_references(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver()) as receiver:
        await slack(tenant, receiver)
        told = await tell(tenant, *LIFE[0])
        kept = await tenant.sql("select reference from alerts")
        path = f"/v1/integrations/{told['integrationId']}"
        gone = await tenant.service.http.delete(path, headers=tenant.headers)
        assert gone.status_code == 204, gone.text
        left = await tenant.sql("select reference from alerts")
    assert (len(kept), len(left)) == (1, 0)
