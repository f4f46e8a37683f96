"""An alert at Opsgenie through the whole service, when the vendor is slow to process requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from receivers.opsgenie import Alert, OpsgenieReceiver
from tests.api.notification import notifying as n
from tests.integrations.opsgenie.sending import posts
from tests.service import Tenant

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
ALIAS = "incident_INC-1042"


@asynccontextmanager
async def alerting(tenant: Tenant) -> AsyncIterator[OpsgenieReceiver]:
    async with n.receiving(tenant, OpsgenieReceiver()) as receiver:
        made = await n.integration(tenant, "opsgenie", {"apiKey": KEY, "baseUrl": receiver.url})
        await n.channel(tenant, made, "opsgenie")
        yield receiver


async def told(tenant: Tenant, what: str, **more: Any) -> dict[str, Any]:
    """The delivery of an event of the one incident, once it is over."""
    entity = {"entityType": "incident", "entityId": "INC-1042", "eventType": f"incident.{what}"}
    [id] = await n.notify(tenant, **entity, **more)
    [delivery] = await n.deliveries(tenant, id)
    return delivery


async def test_an_acknowledgement_is_not_lost_while_its_alert_is_being_created(
    tenant: Tenant,
) -> None:
    async with alerting(tenant) as receiver:
        receiver.delays["create"] = 9.0
        assert (await told(tenant, "created"))["status"] == "accepted"
        delivery = await told(tenant, "acknowledged")
        assert delivery["status"] == "delivered"
        *earlier, last = delivery["log"]
        assert {each["class"] for each in earlier} == {"transient"}
        assert last["class"] is None
    [alert] = receiver.alerts
    assert alert.state == "acknowledged"
    assert len(posts(receiver)) == 2


async def test_the_words_of_an_update_are_a_note_and_a_reopening_is_another_alert(
    tenant: Tenant,
) -> None:
    async with alerting(tenant) as receiver:
        for what in ("created", "updated", "resolved", "reopened"):
            delivery = await told(tenant, what, title=f"It is {what}")
            assert delivery["status"] == "delivered"
            assert delivery["reference"]["alias"] == ALIAS
    first, second = receiver.alerts
    assert (first.state, first.count, said(first)) == (
        "closed",
        2,
        ["It is updated", "It is resolved"],
    )
    assert (second.state, second.count, said(second)) == ("open", 1, [])


def said(alert: Alert) -> list[str]:
    return [note.partition("\n")[0] for note in alert.notes]
