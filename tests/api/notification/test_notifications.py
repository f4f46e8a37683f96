"""An event's way from the API to receivers, on the whole service."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receivers.receiver import Reply
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant


def bodies(receiver: WebhookReceiver) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in receiver.received]


async def test_an_event_arrives_signed_and_is_on_record(tenant: Tenant) -> None:
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        await n.webhook(tenant, receiver)
        [id] = await n.notify(tenant, metadata={"severity": "critical"})
        [delivery] = await n.deliveries(tenant, id)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert delivery["nextAttemptAt"] is None
    [attempt] = delivery["log"]
    assert (attempt["no"], attempt["statusCode"], attempt["class"]) == (1, 204, None)
    [received] = receiver.received
    assert received.headers["webhook-id"] == delivery["id"]
    [body] = bodies(receiver)
    assert (body["type"], body["data"]["severity"]) == ("incident.created", "critical")
    shown = await n.notification(tenant, id)
    assert (shown["title"], shown["severity"]) == ("Printer on fire", "critical")


async def test_two_hundred_events_go_to_every_channel_once(tenant: Tenant) -> None:
    hooks = [WebhookReceiver(n.SECRET), WebhookReceiver(n.SECRET)]
    async with n.receiving(tenant, hooks[0]), n.receiving(tenant, hooks[1], 1):
        for hook in hooks:
            await n.webhook(tenant, hook)
        events = [n.EVENT | {"title": f"number {number}"} for number in range(200)]
        ids = await n.notify(tenant, *events)
        for hook in hooks:
            await hook.until(lambda received: len(received) >= 200)
        await n.deliveries(tenant, ids[-1])
    titles = [f"number {number}" for number in range(200)]
    for hook in hooks:
        assert sorted(body["data"]["title"] for body in bodies(hook)) == sorted(titles)
        assert hook.duplicates == 0
    shown = (await tenant.get("/v1/notifications", limit=200)).json()["data"]
    assert {each["status"] for one in shown for each in one["deliveries"]} == {"delivered"}
    assert [each["id"] for each in shown] == ids[::-1]


class TestFailures:
    """The effect of an answer on a delivery and on its integration."""

    async def test_a_failing_server_is_tried_again(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(503, "down"))
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            [delivery] = await n.deliveries(tenant, id)
        first, second = delivery["log"]
        assert (first["class"], first["statusCode"]) == ("transient", 503)
        # Answers of listed private destinations are not kept.
        assert first["response"] == ""
        assert second["class"] is None
        assert 4 <= receiver.received[1].at - receiver.received[0].at <= 7.5
        assert {each.headers["webhook-id"] for each in receiver.received} == {delivery["id"]}
        found = (await tenant.get(f"/v1/integrations/{made}")).json()["data"]
        assert (found["health"], found["last_error"]) == ("connected", None)
        logs = (await tenant.get(f"/v1/integrations/{made}/logs")).json()["data"]
        assert [each["action"] for each in logs][:2] == ["delivery_connected", "delivery_failing"]

    async def test_an_event_that_is_refused_for_what_it_is_says_nothing_of_the_integration(
        self, tenant: Tenant
    ) -> None:
        refused = Reply(200, '{"ok":false,"error":"msg_too_long"}')
        async with n.receiving(tenant, SlackReceiver()) as receiver:
            values = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops"}
            place = {"baseUrl": f"{receiver.url}/api"}
            made = await n.integration(tenant, "slack", values | place)
            await n.channel(tenant, made, "slack")
            for answer, status, health in (
                (refused, "failed", "untested"),
                (None, "delivered", "connected"),
                (refused, "failed", "connected"),
            ):
                receiver.told += [answer] if answer else []
                [id] = await n.notify(tenant)
                [delivery] = await n.deliveries(tenant, id)
                found = (await tenant.get(f"/v1/integrations/{made}")).json()["data"]
                assert (delivery["status"], found["health"]) == (status, health)
        assert found["last_error"] is None

    async def test_a_throttling_server_is_left_alone_for_as_long_as_it_asks(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(429, headers={"Retry-After": "2"}))
            await n.webhook(tenant, receiver)
            ids = await n.notify(tenant, n.EVENT, n.EVENT)
            for id in ids:
                await n.deliveries(tenant, id)
        refused, *others = receiver.received
        assert [each.status for each in others] == [204, 204]
        waits = {each.headers["webhook-id"]: each.at - refused.at for each in others}
        assert 2 <= waits.pop(refused.headers["webhook-id"]) <= 4
        [other] = waits.values()  # it may have been under way when the first was refused
        assert other < 0.5 or 2 <= other <= 4

    async def test_gone_switches_the_integration_off(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.always = Reply(410)
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            [delivery] = await n.deliveries(tenant, id)
            assert delivery["status"] == "failed"
            found = (await tenant.get(f"/v1/integrations/{made}")).json()["data"]
            assert (found["is_active"], found["health"]) == (False, "disabled")
            [later] = await n.notify(tenant)
            [unsent] = await n.deliveries(tenant, later)
        assert (unsent["status"], unsent["reason"]) == ("not_sent", "integration_off")

    @pytest.mark.parametrize("status", [404, 409, 302])
    async def test_a_webhook_that_is_away_for_a_moment_is_tried_again(
        self, tenant: Tenant, status: int
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(status, headers={"Location": f"{receiver.url}/other"}))
            await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant, metadata={"severity": "critical"})
            [delivery] = await n.deliveries(tenant, id)
        assert [each.path for each in receiver.received] == ["/hook", "/hook"]
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
        assert (delivery["log"][0]["class"], delivery["log"][0]["statusCode"]) == (
            "transient",
            status,
        )

    async def test_what_is_misconfigured_waits_until_it_is_mended(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(401))
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            [parked] = await n.deliveries(
                tenant, id, lambda found: [each["lastClass"] for each in found] == ["misconfigured"]
            )
            assert parked["status"] == "retrying"
            change = {"config": {"headers": {"X-Key": "another"}}}
            await tenant.service.http.patch(
                f"/v1/integrations/{made}", json=change, headers=tenant.headers
            )
            [delivery] = await n.deliveries(tenant, id)
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
        assert receiver.received[1].headers["X-Key"] == "another"


async def test_a_secret_that_looks_like_json_leaves_the_record_whole(tenant: Tenant) -> None:
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        headers = {"X-Debug": "true", "X-Year": "2024", "X-Number": "31415926535"}
        await n.webhook(tenant, receiver, headers=headers)
        said = {"flag": True, "year": 2024, "number": 31415926535, "word": "true"}
        [id] = await n.notify(tenant, metadata=said | {"secret": "31415926535"})
        [delivery] = await n.deliveries(tenant, id)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    recorded = delivery["log"][0]["request"]["data"]["metadata"]
    assert recorded == said | {"secret": "[redacted]"}


async def test_the_record_is_what_was_sent(tenant: Tenant) -> None:
    """Words of the webhook's URL are no secrets, its token is."""
    url = "/api/problems/dispatch?token=t0ken-0f-the-url"
    said = {"token": "xy", "page": "https://a.example/problems/9"}
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        await n.webhook(tenant, receiver, url=f"{receiver.url}{url}")
        [id] = await n.notify(
            tenant,
            eventType="problems.dispatch",
            title="Three problems to dispatch",
            body="t0ken-0f-the-url",
            metadata=said,
        )
        [delivery] = await n.deliveries(tenant, id)
    [body] = bodies(receiver)
    assert body["data"]["body"] == "t0ken-0f-the-url"
    body["data"]["body"] = "[redacted]"
    assert delivery["log"][0]["request"] == body


async def test_a_severity_that_nobody_knows_is_noted_and_refuses_nothing(tenant: Tenant) -> None:
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        await n.webhook(tenant, receiver, severity="Sev 2")
        events = [
            n.EVENT | {"title": str(number), "metadata": {"severity": word}}
            for number, word in enumerate(["so-so", 1, "P1", "Low"])
        ]
        ids = await n.notify(tenant, *events)
        await receiver.until(lambda received: len(received) >= 4)
        shown = [await n.notification(tenant, id) for id in ids]
    told = {body["data"]["title"]: body["data"]["severity"] for body in bodies(receiver)}
    assert told == {"0": "error", "1": "error", "2": "critical", "3": "info"}
    assert [each["severity"] for each in shown] == [None, None, "critical", "info"]
    assert [len(each["notes"]) for each in shown] == [1, 1, 0, 0]
    assert '"so-so" is not a known severity' in shown[0]["notes"][0]


class TestSteering:
    async def test_a_delivery_is_cancelled_and_sent_again(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(503))
            await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            [failing] = await n.deliveries(
                tenant, id, lambda found: bool(found and found[0]["log"])
            )
            cancelled = await tenant.post(f"/v1/deliveries/{failing['id']}/cancel")
            assert (cancelled.status_code, cancelled.json()["data"]["status"]) == (202, "cancelled")
            again = await tenant.post(f"/v1/deliveries/{failing['id']}/cancel")
            assert (again.status_code, again.json()["code"]) == (409, "invalid_state")
            assert (await tenant.post(f"/v1/deliveries/{failing['id']}/resend")).status_code == 202
            [delivery] = await n.deliveries(tenant, id)
            assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
            assert (await tenant.post(f"/v1/notifications/{id}/resend")).status_code == 202
            [twice] = await n.deliveries(tenant, id, lambda found: found[0]["attempts"] == 3)
            await receiver.until(lambda received: len(received) == 3)
        assert twice["id"] == delivery["id"]

    async def test_deleting_an_integration_ends_its_deliveries(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.always = Reply(503)
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id, lambda found: bool(found and found[0]["log"]))
            deleted = await tenant.service.http.delete(
                f"/v1/integrations/{made}", headers=tenant.headers
            )
            assert deleted.status_code == 204
            [delivery] = await n.deliveries(tenant, id)
        assert (delivery["status"], len(receiver.received)) == ("cancelled", 1)

    async def test_what_expires_is_not_sent_any_more(self, tenant: Tenant) -> None:
        soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.always = Reply(503)
            await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant, expiresAt=soon)
            [delivery] = await n.deliveries(tenant, id)
        assert (delivery["status"], len(receiver.received)) == ("expired", 1)


class TestAccepting:
    async def test_the_same_dedup_key_is_sent_once(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver)
            [first] = await n.notify(tenant, dedupKey="INC-1 created")
            other, repeated = await n.notify(
                tenant, n.EVENT | {"dedupKey": "other"}, n.EVENT | {"dedupKey": "INC-1 created"}
            )
            for id in (first, other):
                await n.deliveries(tenant, id)
        assert repeated == first
        assert len(receiver.received) == 2

    async def test_a_list_is_taken_whole_or_not_at_all(self, tenant: Tenant) -> None:
        response = await tenant.post("/v1/notifications", [n.EVENT, n.EVENT | {"title": ""}])
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert response.json()["errors"][0]["pointer"] == "/1/title"
        assert (await tenant.get("/v1/notifications")).json()["data"] == []

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ([], ""),
            ([n.EVENT] * 1_001, ""),
            ({}, "/eventType"),
            (n.EVENT | {"title": "x" * 1_001}, "/title"),
            (n.EVENT | {"body": "x" * 100_001}, "/body"),
            (n.EVENT | {"body": "a\0b"}, "/body"),
            (n.EVENT | {"eventType": "a b"}, "/eventType"),
            (n.EVENT | {"nope": 1}, "/nope"),
            (n.EVENT | {"metadata": {"a": "\0"}}, "/metadata"),
            (n.EVENT | {"metadata": {"a": "x" * 20_000}}, "/metadata"),
            (n.EVENT | {"expiresAt": "2026-01-01T00:00:00"}, "/expiresAt"),
            (n.EVENT | {"expiresAt": "9999-12-31T23:59:59-14:00"}, "/expiresAt"),
            (n.EVENT | {"expiresAt": "0001-01-01T00:00:00+14:00"}, "/expiresAt"),
            (n.EVENT | {"user": {"id": ""}}, "/user/id"),
        ],
    )
    async def test_bad_events_are_refused_by_name(
        self, tenant: Tenant, body: Any, pointer: str
    ) -> None:
        response = await tenant.service.http.post(
            "/v1/notifications", json=body, headers=tenant.headers
        )
        assert response.status_code == 422, response.text
        assert pointer in {each["pointer"] for each in response.json()["errors"]}
