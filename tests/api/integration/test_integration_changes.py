"""Changing or deleting an integration: its effect on it and on waiting deliveries."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from temporalio.service import RPCError

from receivers.receiver import serving
from receivers.webhook import WebhookReceiver
from tests.api.integration.connecting import (
    KEY,
    PATH,
    SECRET,
    created,
    delete,
    pagerduty,
    patch,
    pointers,
    temporal,
    webhook,
)
from tests.service import Tenant


class TestChanging:
    async def test_what_is_left_out_stays_and_null_clears(self, tenant: Tenant) -> None:
        config = {"integrationKey": KEY, "restApiKey": "rest-key-of-the-test", "group": "a"}
        made = await created(tenant, pagerduty(config=config))
        change = {"config": {"restApiKey": None, "group": None, "component": "db"}}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        kept = made["config"]["integrationKey"]
        assert changed["config"] == {"integrationKey": kept, "component": "db"}
        assert changed["health"] == "untested"

    async def test_a_new_secret_has_a_new_mask(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        change = {"config": {"integrationKey": KEY[::-1]}}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        assert changed["config"]["integrationKey"]["hint"] == f"…{KEY[::-1][-4:]}"
        since = made["config"]["integrationKey"]["updated_at"]
        assert changed["config"]["integrationKey"]["updated_at"] > since

    async def test_one_header_may_change_without_the_others(self, tenant: Tenant) -> None:
        headers = {"X-A": "the-first-of-the-keys", "X-B": "the-second-of-the-keys"}
        made = await created(tenant, webhook(headers=headers))
        change = {"config": {"headers": {"X-A": None, "X-C": "the-third-of-the-keys"}}}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        masks = changed["config"]["headers"]
        assert masks.keys() == {"X-B", "X-C"}
        assert masks["X-B"] == made["config"]["headers"]["X-B"]

    async def test_a_mask_is_no_secret(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook(headers={"X-A": "the-first-of-the-keys"}))
        for member in ("url", "headers"):
            response = await patch(tenant, made["id"], {"config": {member: made["config"][member]}})
            assert (response.status_code, response.json()["code"]) == (422, "secret_mask")
            assert pointers(response) == [f"/config/{member}"]
        copied = await tenant.post(PATH, webhook(**made["config"]) | {"name": "copy"})
        assert (copied.status_code, copied.json()["code"]) == (422, "secret_mask")

    async def test_a_new_destination_asks_for_the_secrets(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook(headers={"X-A": "a-key", "X-B": "b-key"}))
        elsewhere = {"url": "https://attacker.example/"}
        refused = await patch(tenant, made["id"], {"config": elsewhere})
        assert (refused.status_code, refused.json()["code"]) == (422, "secret_required")
        wanted = {"/config/secret", "/config/headers/X-A", "/config/headers/X-B"}
        assert set(pointers(refused)) == wanted
        half = elsewhere | {"secret": SECRET, "headers": {"X-A": "a-key"}}
        refused = await patch(tenant, made["id"], {"config": half})
        assert pointers(refused) == ["/config/headers/X-B"]
        whole = half | {"headers": {"X-A": "a-key", "X-B": None}}
        assert (await patch(tenant, made["id"], {"config": whole})).status_code == 200

    async def test_a_default_that_is_written_out_is_no_new_destination(
        self, tenant: Tenant
    ) -> None:
        made = await created(tenant, pagerduty())
        same = await patch(tenant, made["id"], {"config": {"region": "us"}})
        assert same.status_code == 200
        other = await patch(tenant, made["id"], {"config": {"region": "eu"}})
        assert (other.status_code, pointers(other)) == (422, ["/config/integrationKey"])

    async def test_the_type_stays(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        assert (await patch(tenant, made["id"], {"type": "pagerduty"})).status_code == 200
        refused = await patch(tenant, made["id"], {"type": "generic_webhook"})
        assert (refused.status_code, refused.json()["code"]) == (422, "type_fixed")
        assert pointers(refused) == ["/type"]

    async def test_a_refused_change_changes_nothing(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        change = {"name": "new", "config": {"integrationKey": "short"}}
        assert (await patch(tenant, made["id"], change)).status_code == 422
        assert (await tenant.get(f"{PATH}/{made['id']}")).json()["data"] == made

    async def test_an_integration_that_became_invalid_can_be_corrected(
        self, tenant: Tenant
    ) -> None:
        """This holds whatever rules the integration was saved under."""
        made = await created(tenant, pagerduty())
        await tenant.sql("""update integrations set config = '{"region": "asia", "x": [1]}'""")
        elsewhere = await patch(tenant, made["id"], {"config": {"region": "eu", "x": None}})
        assert (elsewhere.status_code, pointers(elsewhere)) == (422, ["/config/integrationKey"])
        change = {"config": {"region": "eu", "x": None, "integrationKey": KEY}}
        mended = await patch(tenant, made["id"], change)
        assert mended.json()["data"]["config"]["region"] == "eu"

    async def test_changes_at_once_lose_nothing(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        texts = {"component": "a", "group": "b", "class": "c", "source": "d"}
        await asyncio.gather(
            *(patch(tenant, made["id"], {"config": {name: texts[name]}}) for name in texts)
        )
        found = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert {name: found["config"].get(name) for name in texts} == texts
        assert found["version"] == 1 + len(texts)


class TestDeliveries:
    """Changing or deleting an integration: its effect on deliveries that wait for it."""

    async def waiting(self, tenant: Tenant, integration: str, kind: str, status: str) -> str:
        """A delivery after routing and one failed attempt."""
        (notification,) = await tenant.sql(
            "insert into notifications (request_id, event_type, title, body, created_by,"
            " routed_at) values ($1, 'a', 't', 'b', 'test', now()) returning id, request_id",
            uuid4(),
        )
        (row,) = await tenant.sql(
            "insert into notification_deliveries (notification_id, request_id, channel_id,"
            " channel_type, integration_id, status, rank, next_attempt_at, deadline_at,"
            " last_class, completed_at) values ($1, $2, $3, 'pagerduty', $4, $5, 1,"
            " now() + interval '1 day', now() + interval '2 days', $6,"
            " case when $5 = 'failed' then now() end) returning id::text",
            *(notification["id"], notification["request_id"], uuid4(), integration, status, kind),
        )
        id: str = row["id"]
        return id

    async def due(self, tenant: Tenant) -> set[str]:
        rows = await tenant.sql(
            "select id::text from notification_deliveries"
            " where next_attempt_at <= now() or status not in ('pending', 'retrying')"
        )
        return {row["id"] for row in rows}

    async def test_a_change_makes_every_waiting_delivery_due(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty(is_active=False))
        other = await created(tenant, pagerduty(name="other", is_active=False))
        parked = await self.waiting(tenant, made["id"], "misconfigured", "retrying")
        failing = await self.waiting(tenant, made["id"], "transient", "retrying")
        await self.waiting(tenant, other["id"], "misconfigured", "retrying")
        change = {"config": {"integrationKey": KEY[::-1]}}
        assert (await patch(tenant, made["id"], change)).status_code == 200
        assert await self.due(tenant) == {parked, failing}

    async def test_to_switch_it_on_wakes_all_that_is_open(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty(is_active=False))
        await self.waiting(tenant, made["id"], "transient", "retrying")
        (row,) = await tenant.sql("select request_id from notification_deliveries")
        workflow = (await temporal(tenant)).get_workflow_handle(f"notification/{row[0]}")
        assert (await patch(tenant, made["id"], {"name": "renamed"})).status_code == 200
        with pytest.raises(RPCError, match="not found"):
            await workflow.describe()
        assert (await patch(tenant, made["id"], {"is_active": True})).status_code == 200
        assert (await workflow.describe()).workflow_type == "Notification"

    async def test_deleting_the_integration_cancels_open_deliveries(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        open = await self.waiting(tenant, made["id"], "transient", "retrying")
        over = await self.waiting(tenant, made["id"], "permanent", "failed")
        assert (await delete(tenant, made["id"])).status_code == 204
        rows = await tenant.sql(
            "select id::text, status, last_error, completed_at from notification_deliveries"
        )
        found = {row["id"]: row for row in rows}
        assert (found[open]["status"], found[over]["status"]) == ("cancelled", "failed")
        assert found[open]["last_error"] == "the integration was deleted"
        assert found[open]["completed_at"] is not None


class TestWaking:
    """Deliveries that wait for the tenant's own settings are sent once these are corrected."""

    async def hooked(self, tenant: Tenant, body: dict[str, Any]) -> str:
        """An integration behind the tenant's one channel, and an event on its way to it."""
        made = await created(tenant, body)
        channel = {"name": "all", "type": "generic_webhook", "integration_id": made["id"]}
        response = await tenant.post("/v1/notification-channels", channel | {"is_default": True})
        assert response.status_code == 201, response.text
        event = {"eventType": "incident.created", "title": "Printer on fire"}
        response = await tenant.post("/v1/notifications", event)
        assert response.status_code == 202, response.text
        id: str = made["id"]
        return id

    async def ended(self, tenant: Tenant, status: str) -> None:
        async with asyncio.timeout(30):
            while True:
                rows = await tenant.sql("select status from notification_deliveries")
                if [row["status"] for row in rows] == [status]:
                    return
                await asyncio.sleep(0.05)

    async def test_a_corrected_secret_wakes_waiting_deliveries(self, tenant: Tenant) -> None:
        receiver, port = WebhookReceiver(SECRET), tenant.service.receiver_ports[0]
        async with serving(receiver, port):
            wrong = "whsec_d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldCB3cm9uZw=="
            id = await self.hooked(tenant, webhook(url=f"{receiver.url}/", secret=wrong))
            await self.ended(tenant, "retrying")
            row = (await tenant.get(f"{PATH}/{id}")).json()["data"]
            assert row["health"] == "misconfigured"
            assert (await patch(tenant, id, {"config": {"secret": SECRET}})).status_code == 200
            await self.ended(tenant, "delivered")
            assert [each.status for each in receiver.received] == [401, 204]
