"""Options of notification channels: checked at save, harmless where they were saved unchecked."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from receivers.slack import SlackReceiver, channel_id
from tests.api.integration.connecting import pointers
from tests.api.notification import notifying as n
from tests.api.notification.owning import PATH, TOKEN, made, patch, seen
from tests.service import Tenant


def slack(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "c", "type": "slack", "config": config} | changes


@pytest.mark.parametrize(
    ("type", "config", "pointer"),
    [
        ("slack", {"chanel": "#duty"}, "/config/chanel"),
        ("slack", {"Channel": "#duty"}, "/config/Channel"),
        ("slack", {"channel": ["#a", "#b"]}, "/config/channel"),
        ("slack", {"channel": "two words"}, "/config/channel"),
        ("slack", {"channel": ""}, "/config/channel"),
        ("slack", {"channel": 7}, "/config/channel"),
        ("slack", {"channel": "https://acme.slack.com/team/U0123"}, "/config/channel"),
        ("slack", {"to": "#duty"}, "/config/to"),
        ("slack", {"token": TOKEN}, "/config/token"),
        ("email", {"to": "no address at all"}, "/config/to/0"),
        ("email", {"to": ["jo@example.com", "jo@@example.com"]}, "/config/to/1"),
        ("email", {"to": "a@example.com, b@example.com"}, "/config/to/0"),
        ("email", {"to": [f"u{each}@example.com" for each in range(51)]}, "/config/to"),
        ("email", {"channel": "#duty"}, "/config/channel"),
        ("jira", {"projectKey": "two words"}, "/config/projectKey"),
        ("teams", {"channel": "General"}, "/config/channel"),
        ("pagerduty", {"service": "db"}, "/config/service"),
        ("generic_webhook", {"path": "/x"}, "/config/path"),
    ],
)
async def test_what_is_no_option_is_pointed_at(
    tenant: Tenant, type: str, config: dict[str, Any], pointer: str
) -> None:
    response = await tenant.post(PATH, slack(config, type=type))
    assert (response.status_code, response.json()["code"]) == (422, "config_invalid")
    assert pointers(response) == [pointer]
    assert TOKEN not in response.text
    good = await made(tenant, slack({}, type=type))
    changed = await patch(tenant, good["id"], {"config": config})
    assert (changed.status_code, pointers(changed)) == (422, [pointer])
    assert await seen(tenant, good["id"]) == good


@pytest.mark.parametrize(
    ("type", "config", "kept"),
    [
        ("slack", {"channel": "#ops"}, {"channel": "#ops"}),
        ("slack", {"channel": "OPS"}, {"channel": "OPS"}),
        ("slack", {"channel": " C0123456789 "}, {"channel": "C0123456789"}),
        (
            "slack",
            {"channel": "https://acme.slack.com/archives/C012345"},
            {"channel": "C012345"},
        ),
        ("slack", {"channel": None}, {}),
        (
            "jira",
            {"projectKey": "ops", "issueType": "Bug"},
            {"projectKey": "OPS", "issueType": "Bug"},
        ),
        ("email", {"to": "jo@bücher.example"}, {"to": ["jo@xn--bcher-kva.example"]}),
        ("email", {"to": ["a@example.com"]}, {"to": ["a@example.com"]}),
    ],
)
async def test_options_are_kept_as_they_are_meant(
    tenant: Tenant, type: str, config: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert (await made(tenant, slack(config, type=type)))["config"] == kept


async def test_types_say_what_their_channels_take(tenant: Tenant) -> None:
    found = (await tenant.get("/v1/integrations/types")).json()["data"]
    takes = {each["type"]: set(each["options_schema"]["properties"]) for each in found}
    assert takes["slack"] == {"channel"}
    assert "to" in takes["email"]
    assert takes["jira"] == {"projectKey", "issueType"}
    assert takes["teams"] == takes["pagerduty"] == takes["generic_webhook"] == set()
    assert not any(each["options_schema"]["additionalProperties"] for each in found)


async def test_an_incoming_webhook_has_its_own_channel(tenant: Tenant) -> None:
    hook = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
    shared = await n.integration(tenant, "slack", {"webhookUrl": hook})
    refused = await tenant.post(PATH, slack({"channel": "#ops"}, integration_id=shared))
    assert (refused.status_code, pointers(refused)) == (422, ["/config/channel"])
    plain = await made(tenant, slack({"channel": "#ops"}))
    moved = await patch(tenant, plain["id"], {"integration_id": shared})
    assert (moved.status_code, pointers(moved)) == (422, ["/config/channel"])
    own = await tenant.post(PATH, slack({"webhookUrl": hook, "channel": "#ops"}, name="own"))
    assert (own.status_code, pointers(own)) == (422, ["/config/channel"])
    both = {"integration_id": shared, "config": {}}
    assert (await patch(tenant, plain["id"], both)).status_code == 200


class TestSavedUnchecked:
    """Rows that were saved before options were checked."""

    async def channel(self, tenant: Tenant, config: Any, receiver: SlackReceiver) -> str:
        given = {"botToken": TOKEN, "defaultChannel": "#o", "baseUrl": f"{receiver.url}/api"}
        shared = await n.integration(tenant, "slack", given)
        id = await n.channel(tenant, shared, "slack")
        await tenant.sql("update notification_channels set config = $1::jsonb", json.dumps(config))
        return id

    async def test_what_never_had_an_effect_has_none(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            id = await self.channel(tenant, {"chanel": "#night", "x": {"y": 1}}, receiver)
            [event] = await n.notify(tenant)
            [delivery] = await n.deliveries(tenant, event)
            row = await seen(tenant, id)
        assert delivery["status"] == "delivered"
        assert json.loads(receiver.received[0].body)["channel"] == "#o"
        assert row["config"] == {"chanel": {"set": True}, "x": {"set": True}}
        assert "chanel, x: without effect" in row["warnings"][0]
        assert "takes channel" in row["warnings"][0]

    @pytest.mark.parametrize("channel", [["#a", "#b"], "two words", 7, {"a": 1}])
    async def test_what_cannot_be_waits_for_a_change(self, tenant: Tenant, channel: Any) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            id = await self.channel(tenant, {"channel": channel}, receiver)
            [event] = await n.notify(tenant)
            [waiting] = await n.deliveries(
                tenant, event, lambda found: any(each["lastClass"] for each in found)
            )
            row = await seen(tenant, id)
            assert receiver.received == []
            assert await self.places(tenant) == {f"channel {id}"}
            await patch(tenant, id, {"config": {"channel": "#night"}})
            [delivery] = await n.deliveries(tenant, event)
        assert waiting["lastClass"] == "misconfigured"
        assert "config is not valid: channel" in waiting["lastError"]
        assert "config is not valid: channel" in row["warnings"][0]
        assert row["health"] == "untested"  # which is not to blame
        assert delivery["status"] == "delivered"
        assert json.loads(receiver.received[0].body)["channel"] == "#night"

    async def places(self, tenant: Tenant) -> set[str]:
        rows = await tenant.sql("select destination from notification_deliveries")
        return {row[0] for row in rows}


# Slack takes a message a second; on a busy machine a request may be a while on its way.
_LEAST_GAP = 0.8


class TestOneDestination:
    async def named(self, tenant: Tenant, receiver: SlackReceiver, *names: str) -> list[str]:
        """Channels of one integration that name their destination so; their ids."""
        config = {"botToken": TOKEN, "defaultChannel": "#o", "baseUrl": f"{receiver.url}/api"}
        shared = await n.integration(tenant, "slack", config)
        return [
            await n.channel(tenant, shared, "slack", name=name, config={"channel": name})
            for name in names
        ]

    async def destinations(self, tenant: Tenant) -> set[str]:
        rows = await tenant.sql("select distinct destination from notification_deliveries")
        return {row[0] for row in rows}

    async def test_has_one_rate_under_all_its_names(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            ids = await self.named(tenant, receiver, "#duty", "duty", "DUTY")
            for user, id in enumerate(ids):
                path, chosen = f"/v1/notification-preferences/u{user}", {"channels": [id]}
                answer = await tenant.service.http.put(path, json=chosen, headers=tenant.headers)
                assert answer.status_code == 200, answer.text
            users = (f"u{user}" for user in range(len(ids)))
            events = await n.notify(tenant, *(n.EVENT | {"userId": user} for user in users))
            for event in events:
                await n.deliveries(tenant, event)
        at = sorted(each.at for each in receiver.received)
        gaps = [later - earlier for earlier, later in pairwise(at)]
        assert await self.destinations(tenant) <= {"duty", channel_id("#duty")}
        assert len(at) == len(ids)
        assert all(gap > _LEAST_GAP for gap in gaps), gaps

    async def test_its_id_is_learnt_from_what_arrives(self, tenant: Tenant) -> None:
        id = channel_id("#duty")
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            await self.named(tenant, receiver, "#duty", id)
            [first] = await n.notify(tenant)
            await n.deliveries(tenant, first)
            later = await n.notify(tenant, *[n.EVENT, n.EVENT])
            for each in later:
                await n.deliveries(tenant, each)
        assert await self.destinations(tenant) <= {"duty", id}
        routed = await tenant.sql(
            "select destination from notification_deliveries d join notifications n"
            " on n.id = d.notification_id where n.id::text = any($1)",
            later,
        )
        assert {row[0] for row in routed} == {id}
        both_names, by_id = 2, len(later)
        at = sorted(each.at for each in receiver.received)
        assert len(at) == both_names + by_id
        gaps = [after - before for before, after in pairwise(at[both_names:])]
        assert all(gap > _LEAST_GAP for gap in gaps), gaps

    async def test_what_waits_under_another_name_goes_on_under_the_id(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            await self.named(tenant, receiver, "#duty")
            events = await n.notify(tenant, *[n.EVENT] * 3)
            await asyncio.gather(*(n.deliveries(tenant, each) for each in events))
        rates = await tenant.sql("select destination, free_at from delivery_rates")
        free = {row["destination"]: row["free_at"] for row in rates}
        assert free[channel_id("#duty")] > free["duty"]

    async def test_a_new_token_forgets_what_was_learnt(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            await self.named(tenant, receiver, "#duty")
            [event] = await n.notify(tenant)
            await n.deliveries(tenant, event)
        [row] = (await tenant.get("/v1/integrations")).json()["data"]
        learnt = await tenant.sql("select places from integrations")
        assert json.loads(learnt[0][0]) == {"duty": channel_id("#duty")}
        http = tenant.service.http
        body = {"config": {"botToken": "xoxb-1-2-OfAnotherWorkspace"}}
        changed = await http.patch(
            f"/v1/integrations/{row['id']}", json=body, headers=tenant.headers
        )
        assert changed.status_code == 200
        assert json.loads((await tenant.sql("select places from integrations"))[0][0]) == {}
