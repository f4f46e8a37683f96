"""Events that do not reach a channel: the record says why, and they can be resent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receivers.receiver import Reply
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

USER = {"user": {"id": "u-1"}}


async def reasons(tenant: Tenant, **event: Any) -> list[tuple[str, str | None]]:
    [id] = await n.notify(tenant, **event)
    found = await n.deliveries(tenant, id)
    return sorted((each["status"], each["reason"]) for each in found)


def ends(found: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    """By channel: the status of its delivery and the number of attempts."""
    return {each["channelId"]: (each["status"], each["attempts"]) for each in found}


async def prefer(tenant: Tenant, **chosen: Any) -> None:
    http = tenant.service.http
    path = f"/v1/notification-preferences/{USER['user']['id']}"
    response = await http.put(path, json=chosen, headers=tenant.headers)
    assert response.status_code == 200, response.text


class TestReasons:
    async def test_no_channel_is_default(self, tenant: Tenant) -> None:
        assert await reasons(tenant) == [("not_sent", "no_channel")]

    @pytest.mark.parametrize(
        ("chosen", "reason"),
        [
            ({"muted": True}, "muted"),
            ({"minSeverity": "critical"}, "below_min_severity"),
            ({"eventTypes": {"include": ["problem.*"]}}, "event_type_excluded"),
            ({"channels": []}, "no_channel"),
        ],
    )
    async def test_the_user_does_not_want_it(
        self, tenant: Tenant, chosen: dict[str, Any], reason: str
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver)
            await prefer(tenant, **chosen)
            assert await reasons(tenant, **USER) == [("not_sent", reason)]
            assert await reasons(tenant) == [("delivered", None)]

    async def test_the_integrations_severity_counts_for_the_users_least(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver, severity="critical")
            await prefer(tenant, minSeverity="error")
            assert await reasons(tenant, **USER) == [("delivered", None)]

    async def test_what_leads_to_the_same_place_is_sent_once(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            made = await n.webhook(tenant, receiver)
            await n.channel(tenant, made, "generic_webhook", name="again")
            found = await reasons(tenant)
            assert found == [("delivered", None), ("not_sent", "same_destination")]
            assert len(receiver.received) == 1

    async def test_lists_find_what_was_not_sent(self, tenant: Tenant) -> None:
        [id] = await n.notify(tenant)
        await n.deliveries(tenant, id)
        shown = (await tenant.get("/v1/notifications", status="not_sent")).json()["data"]
        assert [each["id"] for each in shown] == [id]


class TestSendingAgain:
    async def test_once_the_integration_is_on_again(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(410))
            made = await n.webhook(tenant, receiver)
            [first] = await n.notify(tenant)
            await n.deliveries(tenant, first)
            [second] = await n.notify(tenant, metadata={"severity": "critical"})
            [unsent] = await n.deliveries(tenant, second)
            assert (unsent["status"], unsent["reason"]) == ("not_sent", "integration_off")
            await tenant.post(f"/v1/notifications/{second}/resend")
            [still] = await n.deliveries(tenant, second)
            assert (still["id"], still["reason"]) == (unsent["id"], "integration_off")
            await tenant.patch(f"/v1/integrations/{made}", {"is_active": True})
            await tenant.post(f"/v1/notifications/{second}/resend")
            [sent] = await n.deliveries(tenant, second)
        assert (sent["status"], sent["reason"], sent["id"]) == ("delivered", None, unsent["id"])

    @pytest.mark.parametrize("of", ["notification", "delivery"])
    async def test_once_there_is_a_channel(self, tenant: Tenant, of: str) -> None:
        [id] = await n.notify(tenant)
        [nowhere] = await n.deliveries(tenant, id)
        assert nowhere["channelId"] is None
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver)
            path = {
                "notification": f"notifications/{id}",
                "delivery": f"deliveries/{nowhere['id']}",
            }
            assert (await tenant.post(f"/v1/{path[of]}/resend")).status_code == 202
            [sent] = await n.deliveries(
                tenant, id, lambda found: [e["status"] for e in found] == ["delivered"]
            )
        assert sent["channelType"] == "generic_webhook"

    @pytest.mark.parametrize("of", ["notification", "delivery"])
    async def test_however_long_ago_it_was(self, tenant: Tenant, of: str) -> None:
        """A resend has the deadline of a new delivery: by the event's own it would be over."""
        [id] = await n.notify(tenant)
        [nowhere] = await n.deliveries(tenant, id)
        await tenant.sql("update notifications set created_at = now() - interval '30 days'")
        path = {"notification": f"notifications/{id}", "delivery": f"deliveries/{nowhere['id']}"}
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver)
            assert (await tenant.post(f"/v1/{path[of]}/resend")).status_code == 202
            [sent] = await n.deliveries(
                tenant, id, lambda found: [e["status"] for e in found] == ["delivered"]
            )
        assert datetime.fromisoformat(sent["deadlineAt"]) > datetime.now(UTC) + timedelta(hours=79)

    async def test_a_channel_that_is_new_since_is_told_of_it_however_long_ago_it_was(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id)
            await tenant.sql("update notifications set created_at = now() - interval '30 days'")
            values = {"url": f"{receiver.url}/other", "secret": n.SECRET}
            made = await n.integration(tenant, "generic_webhook", values, "other")
            await n.channel(tenant, made, "generic_webhook")
            await tenant.post(f"/v1/notifications/{id}/resend")
            found = await n.deliveries(
                tenant, id, lambda found: [e["status"] for e in found] == ["delivered"] * 2
            )
        assert [each["attempts"] for each in found] == [2, 1]

    async def test_a_place_that_is_told_again_is_not_told_by_another_channel_as_well(
        self, tenant: Tenant
    ) -> None:
        """The first channel is no longer a default channel, but leads to the same place."""
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            values = {"url": f"{receiver.url}/hook", "secret": n.SECRET}
            made = await n.integration(tenant, "generic_webhook", values)
            first = await n.channel(tenant, made, "generic_webhook")
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id)
            await tenant.patch(f"/v1/notification-channels/{first}", {"is_default": False})
            second = await n.channel(tenant, made, "generic_webhook", name="second")
            await tenant.post(f"/v1/notifications/{id}/resend")
            both = await n.deliveries(
                tenant, id, lambda found: ends(found)[first] == ("delivered", 2)
            )
        assert ends(both)[second] == ("not_sent", 0)
        assert len(receiver.received) == 2

    @pytest.mark.parametrize("way", ["deleted", "elsewhere"])
    async def test_what_waits_in_an_integration_without_a_channel_is_left_alone(
        self, tenant: Tenant, way: str
    ) -> None:
        async with (
            n.receiving(tenant, WebhookReceiver(n.SECRET)) as down,
            n.receiving(tenant, WebhookReceiver(n.SECRET), 1) as fine,
        ):
            down.always = Reply(503, headers={"Retry-After": "3000"})
            values = {"url": f"{down.url}/hook", "secret": n.SECRET}
            made = await n.integration(tenant, "generic_webhook", values)
            place = f"/v1/notification-channels/{await n.channel(tenant, made, 'generic_webhook')}"
            await n.webhook(tenant, fine)
            [id] = await n.notify(tenant)
            waits, sent = await n.deliveries(
                tenant, id, lambda found: {e["status"] for e in found} == {"retrying", "delivered"}
            )
            if way == "deleted":
                http = tenant.service.http
                assert (await http.delete(place, headers=tenant.headers)).status_code == 204
            else:
                await tenant.patch(place, {"integration_id": None})
            await tenant.post(f"/v1/deliveries/{sent['id']}/resend")
            both = await n.deliveries(
                tenant, id, lambda found: {e["id"]: e["attempts"] for e in found}[sent["id"]] == 2
            )
        [still] = [each for each in both if each["id"] == waits["id"]]
        assert (still["status"], still["reason"]) == ("retrying", None)

    async def test_it_goes_by_the_channel_as_it_is_now(self, tenant: Tenant) -> None:
        async with (
            n.receiving(tenant, WebhookReceiver(n.SECRET)) as old,
            n.receiving(tenant, WebhookReceiver(n.SECRET), 1) as new,
        ):
            made = await n.integration(
                tenant, "generic_webhook", {"url": f"{old.url}/hook", "secret": n.SECRET}
            )
            place = await n.channel(tenant, made, "generic_webhook")
            [id] = await n.notify(tenant)
            [sent] = await n.deliveries(tenant, id)
            values = {"url": f"{new.url}/hook", "secret": n.SECRET}
            other = await n.integration(tenant, "generic_webhook", values, "other")
            await tenant.patch(f"/v1/notification-channels/{place}", {"integration_id": other})
            await tenant.post(f"/v1/deliveries/{sent['id']}/resend")
            [again] = await n.deliveries(tenant, id, lambda found: found[0]["attempts"] == 2)
            await new.until(lambda received: bool(received))
        assert (again["id"], again["integrationId"]) == (sent["id"], other)
        assert (len(old.received), len(new.received)) == (1, 1)

    async def test_a_resend_says_that_the_channel_or_its_integration_is_gone(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            made = await n.integration(
                tenant, "generic_webhook", {"url": f"{receiver.url}/hook", "secret": n.SECRET}
            )
            place = await n.channel(tenant, made, "generic_webhook")
            [id] = await n.notify(tenant)
            [sent] = await n.deliveries(tenant, id)
            for change, reason in (
                ({"is_active": False}, "channel_off"),
                ({"is_active": True, "integration_id": None}, "integration_deleted"),
            ):
                await tenant.patch(f"/v1/notification-channels/{place}", change)
                await tenant.post(f"/v1/deliveries/{sent['id']}/resend")
                [unsent] = await n.deliveries(tenant, id)
                assert (unsent["status"], unsent["reason"]) == ("not_sent", reason)
            assert len(receiver.received) == 1
