"""A channel with a connection of its own: kept like an integration, but not listed."""

from typing import Any

import pytest

from receivers.receiver import Reply
from receivers.slack import SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.integration.connecting import KEY, everything, pointers
from tests.api.notification import notifying as n
from tests.api.notification.owning import (
    PATH,
    TOKEN,
    at,
    delete,
    headers_of,
    made,
    patch,
    seen,
    slack,
)
from tests.service import Tenant

INTEGRATIONS = "/v1/integrations"
OTHER = TOKEN[:-4] + "Else"


async def sealed(tenant: Tenant) -> list[Any]:
    return await tenant.sql("select name, credentials, channel_id::text from integrations")


class TestSecrets:
    async def test_are_sealed_and_masked_and_not_in_the_list(self, tenant: Tenant) -> None:
        row = await made(tenant, slack())
        assert row["config"]["botToken"]["hint"] == "…sOwn"
        assert row["config"]["defaultChannel"] == "#ops"
        assert row["health"] == "untested"
        assert row["warnings"] == []
        assert await seen(tenant, row["id"]) == row
        assert (await tenant.get(PATH)).json()["data"] == [row]
        assert (await tenant.get(INTEGRATIONS)).json()["data"] == []
        [kept] = await sealed(tenant)
        assert (kept["name"], kept["channel_id"]) == ("ops", row["id"])
        held = await everything(tenant)
        assert row["id"] in held
        assert "TokenOfAChannel" not in held

    async def test_leave_no_trace_in_what_is_kept_for_a_key(self, tenant: Tenant) -> None:
        headers = tenant.headers | {"Idempotency-Key": "once"}
        http = tenant.service.http
        first, again = [await http.post(PATH, json=slack(), headers=headers) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert "TokenOfAChannel" not in await everything(tenant)
        changed = slack(config={"botToken": OTHER, "defaultChannel": "#ops"})
        other = await http.post(PATH, json=changed, headers=headers)
        assert other.json()["code"] == "idempotency_mismatch"

    @pytest.mark.parametrize(
        ("type", "config", "masked"),
        [
            ("slack", {"botToken": TOKEN, "channel": "ops"}, "botToken"),
            ("pagerduty", {"integrationKey": KEY}, "integrationKey"),
            ("generic_webhook", {"url": "https://example.com/hook?token=secret-0f-17"}, "url"),
            (
                "email",
                {
                    "host": "mail.example.com",
                    "username": "u",
                    "password": "pass-word-of-the-test",
                    "fromAddress": "a@example.com",
                    "to": ["b@example.com"],
                },
                "password",
            ),
        ],
    )
    async def test_of_every_type(
        self, tenant: Tenant, type: str, config: dict[str, Any], masked: str
    ) -> None:
        row = await made(tenant, slack(type=type, config=config))
        assert row["config"][masked]["set"] is True
        plain = {name: value for name, value in config.items() if isinstance(value, list)}
        assert {name: row["config"][name] for name in plain} == plain
        text = await everything(tenant)
        assert config[masked] not in text

    async def test_a_signing_secret_is_shown_once(self, tenant: Tenant) -> None:
        body = slack(type="generic_webhook", config={"url": "https://example.com/hook"})
        response = await tenant.post(PATH, body)
        secret, row = response.json()["secret"], response.json()["data"]
        assert secret.startswith("whsec_")
        assert "secret" not in (await tenant.get(f"{PATH}/{row['id']}")).json()
        rotated = await tenant.post(f"{INTEGRATIONS}/{row['integration_id']}/rotate-secret")
        assert rotated.json()["secret"] not in (secret, None)

    async def test_beside_an_integration_are_refused(self, tenant: Tenant) -> None:
        config = {"botToken": TOKEN, "defaultChannel": "#ops"}
        shared = await n.integration(tenant, "slack", config)
        body = slack(integration_id=shared, config={"botToken": TOKEN, "channel": "#b"})
        refused = await tenant.post(PATH, body)
        assert (refused.status_code, refused.json()["code"]) == (422, "config_of_integration")
        assert pointers(refused) == ["/config/botToken"]
        assert "integration_id" in refused.json()["detail"]
        plain = await made(tenant, slack(integration_id=shared, config={"channel": "#b"}))
        refused = await patch(tenant, plain["id"], {"config": {"botToken": TOKEN}})
        assert refused.json()["code"] == "config_of_integration"
        assert (await tenant.get(PATH)).json()["data"] == [plain]

    async def test_are_checked_as_those_of_integrations_are(self, tenant: Tenant) -> None:
        for config, code, pointer in (
            ({"botToken": "xoxb-1"}, "config_invalid", "/config/defaultChannel"),
            ({"botToken": "nothing", "defaultChannel": "#a"}, "config_invalid", "/config/botToken"),
            ({"botToken": {"set": True}, "channel": "#a"}, "secret_mask", "/config/botToken"),
            (at("http://10.0.0.1"), "blocked_address", "/config/baseUrl"),
            ({"botToken": TOKEN, "defaultChannel": "#a", "x": 1}, "config_invalid", "/config/x"),
        ):
            response = await tenant.post(PATH, slack(config=config))
            assert (response.status_code, pointers(response)) == (422, [pointer]), config
            assert response.json()["code"] == code
            assert TOKEN not in response.text
        assert await sealed(tenant) == []


class TestRoles:
    async def test_an_operator_makes_plain_channels_only(self, tenant: Tenant) -> None:
        operator = await headers_of(tenant, "operator")
        http = tenant.service.http
        refused = await http.post(PATH, json=slack(), headers=operator)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "admin" in refused.json()["detail"]
        plain = await http.post(PATH, json=slack(config={"channel": "#a"}), headers=operator)
        assert plain.status_code == 201
        path = f"{PATH}/{plain.json()['data']['id']}"
        turned = await http.patch(path, json={"config": {"botToken": TOKEN}}, headers=operator)
        assert turned.status_code == 403

    async def test_an_operator_may_say_where_but_not_how(self, tenant: Tenant) -> None:
        operator = await headers_of(tenant, "operator")
        row = await made(tenant, slack())
        where = await patch(tenant, row["id"], {"config": {"channel": "#night"}}, **operator)
        assert where.json()["data"]["config"]["channel"] == "#night"
        how = await patch(tenant, row["id"], {"config": {"botToken": OTHER}}, **operator)
        assert how.status_code == 403
        http = tenant.service.http
        gone = await http.delete(f"{PATH}/{row['id']}", headers=operator)
        assert gone.status_code == 403
        assert (await seen(tenant, row["id"]))["config"]["channel"] == "#night"

    async def test_a_viewer_sees_masks(self, tenant: Tenant) -> None:
        viewer = await headers_of(tenant, "viewer")
        row = await made(tenant, slack())
        http = tenant.service.http
        for path in (PATH, f"{PATH}/{row['id']}", f"{INTEGRATIONS}/{row['integration_id']}"):
            response = await http.get(path, headers=viewer)
            assert response.status_code == 200
            assert "TokenOfAChannel" not in response.text
            assert "…sOwn" in response.text


class TestChanging:
    async def test_what_is_left_out_stays_and_null_clears(self, tenant: Tenant) -> None:
        row = await made(tenant, slack(config=at("https://slack.example", channel="#a")))
        body = {"config": {"channel": None, "severity": "error"}, "name": "new"}
        changed = (await patch(tenant, row["id"], body)).json()["data"]
        assert changed["config"]["botToken"] == row["config"]["botToken"]
        assert "channel" not in changed["config"]
        assert changed["config"]["severity"] == "error"
        [kept] = await sealed(tenant)
        assert (kept["name"], changed["name"]) == ("new", "new")
        same = await patch(tenant, row["id"], {"config": {}})
        assert same.json()["data"] == changed
        cleared = await patch(tenant, row["id"], {"config": {"botToken": None}})
        assert cleared.json()["code"] == "config_invalid"
        masked = await patch(tenant, row["id"], {"config": row["config"]})
        assert masked.json()["code"] == "secret_mask"

    async def test_another_server_asks_for_the_secrets(self, tenant: Tenant) -> None:
        row = await made(tenant, slack())
        elsewhere = {"config": {"baseUrl": "https://attacker.example/api"}}
        refused = await patch(tenant, row["id"], elsewhere)
        assert (refused.status_code, refused.json()["code"]) == (422, "secret_required")
        assert pointers(refused) == ["/config/botToken"]
        assert await seen(tenant, row["id"]) == row

    async def test_a_plain_channel_gets_a_connection(self, tenant: Tenant) -> None:
        row = await made(tenant, slack(config={"channel": "#a"}))
        assert "no integration" in row["warnings"][0]
        body = {"config": {"botToken": TOKEN, "channel": "#b"}}
        changed = (await patch(tenant, row["id"], body)).json()["data"]
        assert changed["config"]["botToken"]["set"] is True
        assert (changed["config"]["channel"], changed["warnings"]) == ("#b", [])

    async def test_it_is_the_channels_alone(self, tenant: Tenant) -> None:
        row = await made(tenant, slack())
        path = f"{INTEGRATIONS}/{row['integration_id']}"
        http = tenant.service.http
        changed = await http.patch(path, json={"name": "x"}, headers=tenant.headers)
        deleted = await http.delete(path, headers=tenant.headers)
        for response in (changed, deleted):
            assert (response.status_code, response.json()["code"]) == (409, "belongs_to_channel")
            assert f"{PATH}/{row['id']}" in response.json()["detail"]
        other = slack(name="other", config={}, integration_id=row["integration_id"])
        named = await tenant.post(PATH, other)
        assert (named.status_code, named.json()["code"]) == (422, "belongs_to_channel")
        shared = await n.integration(tenant, "slack", slack()["config"], "shared")
        moved = await patch(tenant, row["id"], {"integration_id": shared})
        assert moved.json()["code"] == "config_of_integration"
        same = {"integration_id": row["integration_id"], "is_default": True}
        assert (await patch(tenant, row["id"], same)).json()["data"]["is_default"] is True

    async def test_names_of_both_kinds_do_not_meet(self, tenant: Tenant) -> None:
        await n.integration(tenant, "slack", slack()["config"], "ops")
        row = await made(tenant, slack())
        assert row["name"] == "ops"

    async def test_it_goes_with_its_channel(self, tenant: Tenant) -> None:
        row = await made(tenant, slack())
        assert (await delete(tenant, row["id"])).status_code == 204
        assert await sealed(tenant) == []
        assert (await tenant.get(f"{INTEGRATIONS}/{row['integration_id']}")).status_code == 404


class TestSending:
    async def test_an_event_goes_through_it(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            row = await made(tenant, slack(config=at(receiver.url), is_default=True))
            [id] = await n.notify(tenant)
            [delivery] = await n.deliveries(tenant, id)
        assert delivery["status"] == "delivered"
        assert (await seen(tenant, row["id"]))["health"] == "connected"
        assert "TokenOfAChannel" not in await everything(tenant)

    async def test_a_change_wakes_what_waits_for_it(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(OTHER,))) as receiver:
            row = await made(tenant, slack(config=at(receiver.url), is_default=True))
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id, lambda found: any(d["lastClass"] for d in found))
            known = await seen(tenant, row["id"])
            assert known["health"] == "misconfigured"
            assert "invalid_auth" in known["last_error"]
            await patch(tenant, row["id"], {"config": {"botToken": OTHER}})
            [delivery] = await n.deliveries(tenant, id)
        assert delivery["status"] == "delivered"

    async def test_it_can_be_tested(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
            row = await made(tenant, slack(config=at(receiver.url)))
            path = f"{INTEGRATIONS}/{row['integration_id']}/test"
            assert (await tenant.post(path)).json()["data"]["success"] is True
            assert (await seen(tenant, row["id"]))["health"] == "connected"
            receiver.tokens = ()
            assert (await tenant.post(path)).json()["data"]["success"] is False
        assert (await seen(tenant, row["id"]))["health"] == "misconfigured"

    async def test_one_that_its_vendor_ended_is_switched_on_again(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver()) as receiver:
            receiver.always = Reply(410)
            config = {"url": f"{receiver.url}/hook"}
            body = slack(type="generic_webhook", config=config, is_default=True)
            row = await made(tenant, body)
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id)
            ended = await seen(tenant, row["id"])
            assert ended["health"] == "disabled"
            assert "switched off" in ended["warnings"][0]
            again = await patch(tenant, row["id"], {"is_active": True})
            assert again.json()["data"]["warnings"] == []

    async def test_a_deleted_one_ends_what_waits(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver(tokens=())) as receiver:
            row = await made(tenant, slack(config=at(receiver.url), is_default=True))
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id, lambda found: any(d["lastClass"] for d in found))
            assert (await delete(tenant, row["id"])).status_code == 204
            [delivery] = await n.deliveries(tenant, id)
        assert delivery["status"] == "cancelled"
        assert "channel was deleted" in delivery["lastError"]
