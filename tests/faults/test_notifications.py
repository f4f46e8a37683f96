"""Notifications while processes die. Slack does not recognise repetitions."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from receivers.slack import SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.faults.fanout import UNKEYED, Client, Late, Vendors, event, judged, over, recorded
from tests.faults.stack import Stack
from tests.service import Tenant
from tests.until import until

_EVENTS = 60


class Gated(Late):
    """Delays every answer until `gate` is set."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gate = asyncio.Event()

    async def waiting(self) -> None:
        await self.gate.wait()


class GatedSlack(Gated, SlackReceiver): ...


class GatedWebhook(Gated, WebhookReceiver): ...


class Scene:
    """A tenant's client, and the two receivers that its events go to."""

    def __init__(self, stack: Stack, tenant: Tenant) -> None:
        self.stack, self.client = stack, Client(tenant)
        self.slack, self.webhook = GatedSlack(), GatedWebhook(n.SECRET)
        self.vendors = Vendors(self.slack, self.webhook)

    def answer(self, *, at_once: bool) -> None:
        for receiver in (self.slack, self.webhook):
            receiver.gate.set() if at_once else receiver.gate.clear()

    async def in_flight(self, *numbers: int) -> int:
        """Post events, and wait until some are with both and have no answer; how many at Slack."""
        self.answer(at_once=False)
        slack, webhook = len(self.slack.messages), self.webhook.seen.total()
        await self.client.notify(*numbers)
        await until(lambda: len(self.slack.messages) - slack >= 4)
        await until(lambda: self.webhook.seen.total() - webhook >= 4)
        return len(self.slack.messages) - slack

    async def arrive(self, number: int) -> None:
        """Post an event, and wait until the webhook has it."""
        self.answer(at_once=True)
        await self.client.notify(number)
        wanted = event(number)["title"]
        await until(lambda: wanted in [each["data"]["title"] for each in self.webhook.events])


@pytest.fixture
async def scene(stack: Stack, victim: Tenant) -> AsyncIterator[Scene]:
    scene = Scene(stack, victim)
    async with AsyncExitStack() as open:
        for number, receiver in enumerate(scene.vendors.all):
            await open.enter_async_context(n.receiving(victim, receiver, number))
        await scene.vendors.connect(victim)
        yield scene


async def test_none_is_lost_and_only_what_was_in_flight_comes_twice(scene: Scene) -> None:
    in_flight = await _worker_killed(scene, range(25))
    await scene.arrive(25)
    in_flight += await _postgres_killed(scene, range(26, 40))
    await _api_killed_before_it_starts_anything(scene, range(40, _EVENTS))
    assert await over(scene.client.tenant, 120)
    record = await recorded(scene.client.tenant)
    verdict = judged(scene.client.accepted, scene.vendors, record)
    assert verdict.is_good, verdict
    assert (verdict.accepted, verdict.delivered) == (_EVENTS, 2 * _EVENTS)
    # The new worker cannot know that the first were answered: the old one died before it said so.
    assert 4 <= verdict.duplicates <= in_flight
    assert verdict.unknown[UNKEYED] <= in_flight
    assert not scene.client.was_refused, scene.client.refusals


async def _worker_killed(scene: Scene, numbers: range) -> int:
    found = await scene.in_flight(*numbers)
    pid = scene.stack.send("worker")
    scene.answer(at_once=True)
    await scene.stack.replaced("worker", pid)
    return found


async def _postgres_killed(scene: Scene, numbers: range) -> int:
    """PostgreSQL is killed, so that answers cannot be recorded."""
    found = await scene.in_flight(*numbers)
    pid = scene.stack.send("postgres", signal.SIGQUIT)
    scene.answer(at_once=True)
    await scene.stack.replaced("postgres", pid)
    await scene.stack.answering()
    return found


async def _api_killed_before_it_starts_anything(scene: Scene, numbers: range) -> None:
    """Accepted events are in the outbox only: Temporal is stopped and never gets them."""
    stack, tenant = scene.stack, scene.client.tenant
    temporal = stack.send("temporal", signal.SIGSTOP)
    posting = asyncio.create_task(scene.client.notify(*numbers))
    await until(lambda: _has_outbox(tenant))
    api = stack.send("api")
    stack.send("temporal")
    await stack.replaced("temporal", temporal)
    await stack.replaced("api", api)
    assert len(await posting) == len(numbers)


async def _has_outbox(tenant: Tenant) -> bool:
    return bool(await tenant.sql("select from public.outbox where tenant_id = $1", tenant.id))
