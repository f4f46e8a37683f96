"""What people do in one tool arrives in the others, on the whole service."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from integrations.inbound import hmac_sha256
from receivers.pagerduty import PagerDutyReceiver
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

SIGNING, WEBHOOK = "0123456789abcdef" * 2, "pd-webhook-secret"
ENTITY = {"entityType": "incident", "entityId": "INC-1"}
KEY = "incident_INC-1"
ROUTING = "R0UT1NGKEY0FTHEEXAMPLE0000000001"


async def slack(tenant: Tenant, receiver: SlackReceiver, **config: Any) -> str:
    values = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "signingSecret": SIGNING}
    values |= {"baseUrl": f"{receiver.url}/api"} | config
    made = await n.integration(tenant, "slack", values, f"Slack {values['defaultChannel']}")
    await n.channel(tenant, made, "slack")
    return made


async def pagerduty(tenant: Tenant, receiver: PagerDutyReceiver) -> str:
    values = {"integrationKey": ROUTING, "webhookSecret": WEBHOOK}
    made = await n.integration(tenant, "pagerduty", values | {"baseUrl": receiver.url})
    await n.channel(tenant, made, "pagerduty")
    return made


async def press(tenant: Tenant, id: str, button: dict[str, Any], **how: Any) -> httpx.Response:
    """Press a button of a message, as Slack reports it."""
    said = {"type": "block_actions", "user": {"id": "U1", "name": "Jo"}, "actions": [button]}
    body = urlencode({"payload": json.dumps(said)}).encode()
    at = str(int(how.get("at", time.time())))
    secret = how.get("secret", SIGNING)
    headers = {
        "x-slack-request-timestamp": at,
        "x-slack-signature": f"v0={hmac_sha256(secret, f'v0:{at}:'.encode() + body)}",
        "content-type": "application/x-www-form-urlencoded",
    }
    return await tenant.service.http.post(f"/v1/inbound/{id}", content=body, headers=headers)


async def report(tenant: Tenant, id: str, type: str, event_id: str = "", **more: Any) -> int:
    """Report what a person did in PagerDuty; how many events followed."""
    event = {
        "id": event_id or uuid4().hex,
        "event_type": type,
        "agent": {"type": "user_reference", "summary": "Kim"},
        "data": {"type": "incident", "incident_key": KEY},
        **more,
    }
    body = json.dumps({"event": event}).encode()
    headers = {"x-pagerduty-signature": f"v1={hmac_sha256(WEBHOOK, body)}"}
    answer = await tenant.service.http.post(f"/v1/inbound/{id}", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    accepted: int = answer.json()["accepted"]
    return accepted


def buttons(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The buttons of a posted message that do something, by their names."""
    blocks = [each for each in message["message"]["blocks"] if each["type"] == "actions"]
    found = [each for block in blocks for each in block["elements"] if "value" in each]
    return {each["action_id"]: each for each in found}


async def told(tenant: Tenant, type: str) -> dict[str, dict[str, Any]]:
    """The deliveries of the one event of this type, once they are over, by channel type."""
    async with asyncio.timeout(60):
        while not (found := (await tenant.get("/v1/notifications", eventType=type)).json()["data"]):
            await asyncio.sleep(0.02)
    [event] = found
    deliveries = await n.deliveries(tenant, event["id"])
    return {each["channelType"]: each for each in deliveries}


async def test_a_button_in_slack_acts_in_pagerduty_and_edits_the_message(tenant: Tenant) -> None:
    chat, pager = SlackReceiver(), PagerDutyReceiver()
    async with n.receiving(tenant, chat), n.receiving(tenant, pager, 1):
        id = await slack(tenant, chat)
        await pagerduty(tenant, pager)
        [first] = await n.notify(tenant, **ENTITY)
        await n.deliveries(tenant, first)
        shown = buttons(chat.messages[0])
        assert shown.keys() == {"acknowledge", "resolve"}
        answer = await press(tenant, id, shown["acknowledge"])
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
        after = await told(tenant, "incident.acknowledged")
        assert {name: each["status"] for name, each in after.items()} == {
            "slack": "delivered",
            "pagerduty": "delivered",
        }
        assert pager.alerts[0].state == "acknowledged"
        assert buttons(chat.messages[0]).keys() == {"resolve"}
        await press(tenant, id, buttons(chat.messages[0])["resolve"])
        await told(tenant, "incident.resolved")
    assert [each.state for each in pager.alerts] == ["resolved"]
    assert buttons(chat.messages[0]) == {}
    state = chat.messages[0]["message"]["blocks"][1]["text"]["text"]
    assert state.endswith("Resolved in Slack by Jo")


async def test_what_is_done_in_pagerduty_is_shown_in_slack_and_not_sent_back(
    tenant: Tenant,
) -> None:
    chat, pager = SlackReceiver(), PagerDutyReceiver()
    async with n.receiving(tenant, chat), n.receiving(tenant, pager, 1):
        await slack(tenant, chat)
        id = await pagerduty(tenant, pager)
        [first] = await n.notify(tenant, metadata={"severity": "critical"}, **ENTITY)
        await n.deliveries(tenant, first)
        assert await report(tenant, id, "incident.resolved") == 1
        after = await told(tenant, "incident.resolved")
    assert after["slack"]["status"] == "delivered"
    assert (after["pagerduty"]["status"], after["pagerduty"]["reason"]) == (
        "not_sent",
        "done_there",
    )
    assert [json.loads(each.body)["event_action"] for each in pager.received] == ["trigger"]
    state = chat.messages[0]["message"]["blocks"][1]["text"]["text"]
    assert state.endswith("Resolved in PagerDuty by Kim")
    logs = (await tenant.get(f"/v1/integrations/{id}/logs")).json()["data"]
    assert ("inbound_resolve", "Resolved in PagerDuty by Kim: incident INC-1") in [
        (each["action"], each["detail"]) for each in logs
    ]


async def test_an_action_has_its_effect_once(tenant: Tenant) -> None:
    """Neither a repeated call, nor a second person's same action, nor an echo of ours."""
    async with n.receiving(tenant, PagerDutyReceiver()) as pager:
        id = await pagerduty(tenant, pager)
        [first] = await n.notify(tenant, **ENTITY)
        await n.deliveries(tenant, first)
        again = await asyncio.gather(
            *(report(tenant, id, "incident.acknowledged", "01SAME") for _ in range(5))
        )
        other = await asyncio.gather(
            *(report(tenant, id, "incident.acknowledged") for _ in range(5))
        )
        [resolved] = await n.notify(tenant, eventType="incident.resolved", **ENTITY)
        await n.deliveries(tenant, resolved)
        late = [
            await report(tenant, id, type)
            for type in ("incident.acknowledged", "incident.resolved")
        ]
        reopened = await report(tenant, id, "incident.reopened")
    assert (sum(again), sum(other), sum(late), reopened) == (1, 0, 0, 1)


async def test_an_entity_that_the_tool_was_not_told_of_is_left_alone(tenant: Tenant) -> None:
    async with n.receiving(tenant, PagerDutyReceiver()) as pager:
        id = await pagerduty(tenant, pager)
        assert await report(tenant, id, "incident.resolved") == 0
    assert (await tenant.get("/v1/notifications")).json()["data"] == []


class TestRefused:
    """Calls that have no effect, and say why."""

    async def test_a_forged_or_old_call(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver()) as chat:
            id = await slack(tenant, chat)
            [first] = await n.notify(tenant, **ENTITY)
            await n.deliveries(tenant, first)
            button = buttons(chat.messages[0])["resolve"]
            for how in ({"secret": "f" * 32}, {"at": time.time() - 400}):
                answer = await press(tenant, id, button, **how)
                assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        assert len((await tenant.get("/v1/notifications")).json()["data"]) == 1

    async def test_an_integration_that_takes_no_calls(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver()) as chat:
            unsigned = await slack(tenant, chat, signingSecret=None, defaultChannel="#all")
            off = await slack(tenant, chat, defaultChannel="#dev")
            await tenant.patch(f"/v1/integrations/{off}", {"is_active": False})
            hook = await n.integration(
                tenant, "generic_webhook", {"url": f"{chat.url}/hook", "secret": n.SECRET}
            )
            for id in (unsigned, off, hook, str(uuid4())):
                answer = await press(tenant, id, {"action_id": "resolve", "value": KEY})
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_a_deleted_integration(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver()) as chat:
            id = await slack(tenant, chat)
            http = tenant.service.http
            await http.delete(f"/v1/integrations/{id}", headers=tenant.headers)
            answer = await press(tenant, id, {"action_id": "resolve", "value": KEY})
        assert answer.status_code == 404

    @pytest.mark.parametrize(("size", "status"), [(2**20, 401), (2**20 + 1, 413)])
    async def test_a_body_beyond_a_megabyte(self, tenant: Tenant, size: int, status: int) -> None:
        async with n.receiving(tenant, SlackReceiver()) as chat:
            id = await slack(tenant, chat)
            answer = await tenant.service.http.post(f"/v1/inbound/{id}", content=bytes(size))
        assert answer.status_code == status


@pytest.mark.parametrize("odd", ["\0", "\ud800", "x" * 5_000])
async def test_odd_texts_of_a_vendor_have_no_effect_and_break_nothing(
    tenant: Tenant, odd: str
) -> None:
    async with n.receiving(tenant, PagerDutyReceiver()) as pager:
        id = await pagerduty(tenant, pager)
        [first] = await n.notify(tenant, **ENTITY)
        await n.deliveries(tenant, first)
        stranger = {"type": "incident", "incident_key": f"other{odd}"}
        assert await report(tenant, id, "incident.resolved", data=stranger) == 0
        person = {"type": "user_reference", "summary": f"Jo{odd}"}
        assert await report(tenant, id, "incident.resolved", f"01{odd}", agent=person) == 1
