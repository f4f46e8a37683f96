"""Deliveries that wait, and what ends their waiting, on the whole service."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from temporalio.client import WorkflowHandle

from receivers.receiver import Reply
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.blocked import until_blocked
from tests.service import Tenant
from workflows.connection import connect
from workflows.notification.start import notification_id

_DAY = {"Retry-After": "86400"}
_LOCK = "select destination from delivery_rates where destination = $1 for update"
CRITICAL = n.EVENT | {"title": "Second", "metadata": {"severity": "critical"}}


def failed(kind: str) -> Any:
    """Whether the one delivery failed with this class and is still open."""
    return lambda found: [(e["status"], e["lastClass"]) for e in found] == [("retrying", kind)]


def classes(found: list[dict[str, Any]]) -> list[str | None]:
    return [each["lastClass"] for each in found]


async def slack(tenant: Tenant, receiver: SlackReceiver, **config: Any) -> str:
    values = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "rateLimit": None}
    made = await n.integration(
        tenant, "slack", values | {"baseUrl": f"{receiver.url}/api"} | config
    )
    await n.channel(tenant, made, "slack")
    return made


async def put_off(tenant: Tenant, id: str, seconds: float = 3_000.0) -> None:
    """Make the delivery's and its destination's wait as long as after many failures."""
    await tenant.sql(
        "update notification_deliveries set next_attempt_at = now() + make_interval(secs => $2)"
        " where notification_id = $1::text::uuid",
        id,
        seconds,
    )
    await tenant.sql(
        "update delivery_rates set probes = 6, probe_at = now() + make_interval(secs => $1)"
        " where probe_at is not null",
        seconds,
    )


class TestDoubt:
    """One 401 or 403 puts the integration in doubt, but not for ever."""

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_refusal_alone_is_its_own_probe(self, tenant: Tenant, status: int) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(status))
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            [delivery] = await n.deliveries(tenant, id)
        assert [each["class"] for each in delivery["log"]] == ["misconfigured", None]
        assert 4 <= receiver.received[1].at - receiver.received[0].at <= 9
        found = (await tenant.get(f"/v1/integrations/{made}")).json()["data"]
        assert found["health"] == "connected"

    async def test_the_next_that_arrives_wakes_it(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, SlackReceiver()) as receiver:
            refused = Reply(200, '{"ok":false,"error":"missing_scope","needed":"chat:write"}')
            receiver.told.append(refused)
            await slack(tenant, receiver)
            [first] = await n.notify(tenant)
            await n.deliveries(tenant, first, failed("misconfigured"))
            [second] = await n.notify(tenant)
            for id in (first, second):
                [delivery] = await n.deliveries(tenant, id)
                assert delivery["status"] == "delivered"

    async def test_a_test_that_succeeds_wakes_it(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(403))
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id, failed("misconfigured"))
            await put_off(tenant, id)
            assert (await tenant.post(f"/v1/integrations/{made}/test")).json()["data"]["success"]
            [delivery] = await n.deliveries(tenant, id)
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)

    async def test_to_switch_it_off_and_on_wakes_it(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(401))
            made = await n.webhook(tenant, receiver)
            [id] = await n.notify(tenant)
            await n.deliveries(tenant, id, failed("misconfigured"))
            await put_off(tenant, id)
            await tenant.patch(f"/v1/integrations/{made}", {"is_active": False})
            [waiting] = (await n.notification(tenant, id))["deliveries"]
            assert (waiting["status"], waiting["reason"]) == ("retrying", "integration_off")
            await tenant.patch(f"/v1/integrations/{made}", {"is_active": True})
            [delivery] = await n.deliveries(tenant, id)
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)

    async def test_a_hundred_events_are_not_a_hundred_refusals(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.always = Reply(401)
            made = await n.webhook(tenant, receiver, maxInFlight=4)
            ids = await n.notify(tenant, *[n.EVENT] * 100)
            await receiver.until(lambda received: bool(received))
            more = [(await n.notify(tenant))[0] for _ in range(5)]
            began = receiver.received[0].at
            await receiver.until(lambda received: received[-1].at - began > 3)
            # Four at once, one that was on its way beside them, and a probe or two.
            assert len(receiver.received) <= 8
            receiver.always = None
            await tenant.patch(f"/v1/integrations/{made}", {"description": "mended"})
            for id in (ids[0], ids[-1], *more):
                [delivery] = await n.deliveries(tenant, id)
                assert delivery["status"] == "delivered"


PAST = "Wed, 21 Oct 2015 07:28:00 GMT"
WISHES = [*({"Retry-After": wish} for wish in ("0", "0.01", PAST, "soon")), {}]


class Wishing(WebhookReceiver):
    """Answers 429 three times at each path, with a time to wait."""

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if sum(each.path == request.path for each in self.received) < 3:
            return web.Response(status=429, headers=WISHES[int(request.path[1:])])
        return await super().answer(request, body)


class TestRests:
    """The rest that a vendor asks for is bounded, shown, and can be ended."""

    async def test_no_wish_makes_our_own_waits_shorter(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, Wishing(n.SECRET)) as receiver:
            for number in range(len(WISHES)):
                await n.webhook(tenant, receiver, url=f"{receiver.url}/{number}", name=f"{number}")
            [id] = await n.notify(tenant)
            found = await n.deliveries(tenant, id)
        assert [[each["class"] for each in delivery["log"]] for delivery in found] == [
            ["throttled"] * 3 + [None]
        ] * len(WISHES)
        for number in range(len(WISHES)):
            at = [each.at for each in receiver.received if each.path == f"/{number}"]
            waits = [later - earlier for earlier, later in pairwise(at)]
            assert all(wait >= least for wait, least in zip(waits, (1.8, 3.6, 7.2), strict=True))

    @pytest.mark.parametrize("way", ["test", "change", "resend"])
    async def test_a_day_is_shown_bounded_and_lifted(self, tenant: Tenant, way: str) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
        headers = _DAY if way == "test" else {"Retry-After": date}
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(429, headers=headers))
            made = await n.webhook(tenant, receiver)
            [first] = await n.notify(tenant)
            await n.deliveries(tenant, first, failed("throttled"))
            [second] = await n.notify(tenant, CRITICAL)
            [waits] = await n.deliveries(tenant, second, lambda found: bool(found))
            until = datetime.fromisoformat(waits["restsUntil"])
            assert until <= datetime.now(UTC) + timedelta(hours=1)
            assert waits["nextAttemptAt"][:18] == waits["restsUntil"][:18]
            found = (await tenant.get(f"/v1/integrations/{made}")).json()["data"]
            assert found["rests_until"] == waits["restsUntil"]
            assert len(receiver.received) == 1
            await self.lift(tenant, way, made, waits["id"])
            for id in (second, first):
                [delivery] = await n.deliveries(tenant, id)
                assert (delivery["status"], delivery["restsUntil"]) == ("delivered", None)

    async def test_what_is_sent_again_lifts_the_rest_of_where_it_goes_now(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, SlackReceiver()) as receiver:
            made = await slack(tenant, receiver)
            [first] = await n.notify(tenant)
            [sent] = await n.deliveries(tenant, first)
            receiver.told.append(Reply(429, headers=_DAY))
            elsewhere = {"channel": "#elsewhere"}
            other = await n.channel(tenant, made, "slack", name="elsewhere", config=elsewhere)
            [second] = await n.notify(tenant, CRITICAL)
            await n.deliveries(tenant, second, lambda found: "throttled" in classes(found))
            place = f"/v1/notification-channels/{sent['channelId']}"
            await tenant.patch(place, {"config": elsewhere})
            await tenant.patch(f"/v1/notification-channels/{other}", {"is_default": False})
            await tenant.post(f"/v1/deliveries/{sent['id']}/resend")
            [again] = await n.deliveries(tenant, first)
        assert (again["status"], again["attempts"]) == ("delivered", 2)

    async def test_what_is_sent_again_keeps_no_other_destination_waiting(
        self, tenant: Tenant
    ) -> None:
        """Several destinations are locked in one order, or two transactions could deadlock."""
        async with n.receiving(tenant, SlackReceiver()) as receiver:
            made = await slack(tenant, receiver)
            await n.channel(tenant, made, "slack", name="two", config={"channel": "#two"})
            for _ in range(2):  # by the names that Slack tells with the first
                [id] = await n.notify(tenant)
                found = await n.deliveries(tenant, id)
            first, second = sorted(found, key=lambda each: str(each["destination"]))
            await tenant.sql(
                "update notification_deliveries set status = 'retrying', completed_at = null,"
                " next_attempt_at = now() where id = $1::text::uuid",
                first["id"],
            )
            blocker = await asyncpg.connect(tenant.service.dsn)
            try:
                await blocker.execute(f"set search_path to {tenant.id.schema}; begin")
                await blocker.fetch(_LOCK, first["destination"])
                await tenant.post(f"/v1/deliveries/{second['id']}/resend")
                await until_blocked(tenant.sql, blocker.get_server_pid())
                [locked] = await blocker.fetch(f"{_LOCK} nowait", second["destination"])
            finally:
                await blocker.close()
            both = await n.deliveries(tenant, id)
        assert locked["destination"] == second["destination"]
        assert {each["status"] for each in both} == {"delivered"}

    async def lift(self, tenant: Tenant, way: str, made: str, delivery: str) -> None:
        if way == "test":
            assert (await tenant.post(f"/v1/integrations/{made}/test")).json()["data"]["success"]
        elif way == "change":
            await tenant.patch(f"/v1/integrations/{made}", {"description": "looked at"})
        else:
            assert (await tenant.post(f"/v1/deliveries/{delivery}/resend")).status_code == 202


class TestOrder:
    async def test_what_comes_late_is_overtaken_and_all_are_sent(self, tenant: Tenant) -> None:
        entity = {"entityType": "incident", "entityId": "INC7"}
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(503, headers={"Retry-After": "9"}))
            await n.webhook(tenant, receiver)
            [first] = await n.notify(tenant, **entity)
            await n.deliveries(tenant, first, failed("transient"))
            [second] = await n.notify(tenant, eventType="incident.resolved", **entity)
            [later] = await n.deliveries(tenant, second)
            [late] = await n.deliveries(tenant, first)
        assert later["completedAt"] < late["completedAt"]
        assert (later["status"], late["status"]) == ("delivered", "delivered")

    async def test_ten_events_of_one_entity_arrive_in_order(self, tenant: Tenant) -> None:
        entity = {"entityType": "incident", "entityId": "INC8"}
        events = [n.EVENT | entity | {"title": f"number {number}"} for number in range(10)]
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            await n.webhook(tenant, receiver)
            ids = await n.notify(tenant, *events)
            await asyncio.gather(*(n.deliveries(tenant, id) for id in ids))
        assert [e["data"]["title"] for e in receiver.events] == [e["title"] for e in events]


async def _asleep(tenant: Tenant, id: str) -> None:
    """Have the event's workflow look, so that it sleeps for as long as the record says now."""
    await tenant.sql(
        "insert into public.outbox (tenant_id, kind, subject, count)"
        " select $1, 'wake', request_id, 1 from notifications where id = $2::text::uuid",
        tenant.id,
        id,
    )
    [row] = await tenant.sql(
        "select request_id::text as id from notifications where id = $1::text::uuid", id
    )
    temporal = await connect(tenant.service.settings.temporal_address, "default")
    workflow = temporal.get_workflow_handle(notification_id(row["id"]))
    async with asyncio.timeout(20):
        while not await _sleeps_long(workflow):
            await asyncio.sleep(0.1)


async def _sleeps_long(workflow: WorkflowHandle[Any, Any]) -> bool:
    events = [each async for each in workflow.fetch_history_events()]
    timers = [each.timer_started_event_attributes.start_to_fire_timeout for each in events]
    return any(each.ToTimedelta() > timedelta(minutes=20) for each in timers)


class TestOthers:
    """A round sends the most urgent delivery of a destination, whichever request it is of."""

    async def test_what_another_request_sent_in_vain_is_tried_again_in_its_time(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, SlackReceiver()) as receiver:
            receiver.always = Reply(403)
            await slack(tenant, receiver)
            [first] = await n.notify(tenant)
            await n.deliveries(tenant, first, failed("misconfigured"))
            await put_off(tenant, first)
            await receiver.until(lambda found: len(found) == 1)
            [second] = await n.notify(tenant)
            [resent] = await n.deliveries(tenant, second, bool)
            await _asleep(tenant, first)
            await put_off(tenant, first, seconds=-1.0)
            refused = Reply(200, '{"ok":false,"error":"invalid_blocks"}')
            receiver.told.extend([Reply(500), refused])
            receiver.always = None
            await tenant.post(f"/v1/deliveries/{resent['id']}/resend")
            [other] = await n.deliveries(tenant, second)
            [delivery] = await n.deliveries(tenant, first)
        assert other["status"] == "failed"
        assert [each["class"] for each in delivery["log"]] == ["misconfigured", "transient", None]

    async def test_what_another_request_claimed_and_gave_back_is_sent_in_its_time(
        self, tenant: Tenant
    ) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
            receiver.told.append(Reply(500))
            await n.webhook(tenant, receiver, maxInFlight=2)
            [waits] = await n.notify(tenant)
            await n.deliveries(tenant, waits, failed("transient"))
            await put_off(tenant, waits)
            await _asleep(tenant, waits)
            receiver.told += [Reply(429, headers={"Retry-After": "5"})] * 2
            await put_off(tenant, waits, seconds=-1.0)
            soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
            await n.notify(tenant, *[CRITICAL | {"expiresAt": soon}] * 2)
            [delivery] = await n.deliveries(tenant, waits)
        assert len(receiver.received) == 4
        assert [each["class"] for each in delivery["log"]] == ["transient", None]
