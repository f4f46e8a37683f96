"""A stopping worker begins no send, finishes those in flight and records their answers."""

import asyncio
from collections.abc import Sequence

import pytest
from temporalio.testing import ActivityEnvironment

from egress.client import Egress, egress
from receivers.receiver import Reply, serving
from receivers.webhook import EXAMPLE_SECRET, WebhookReceiver
from storage.notification.claimed import Claimed
from tests.storage.notification.due import Due, ids
from tests.storage.notification.sending import SlowSlack, batch, delivering, posting

_HANGS = Reply(hang=True)


class Stopping:
    """A worker's activity that sends what was claimed to a webhook, one after the other."""

    def __init__(self, due: Due, hook: WebhookReceiver, claimed: Sequence[Claimed]) -> None:
        self.due, self.environment = due, ActivityEnvironment()
        config = {"url": hook.url, "secret": EXAMPLE_SECRET}
        self.batch = batch(due, "generic_webhook", config, claimed)

    def begun(self, out: Egress) -> "asyncio.Task[object]":
        way = delivering(self.due, out).round
        return asyncio.create_task(self.environment.run(way, self.batch.key, self.batch))

    def cancel(self) -> None:
        """As a worker does that has been stopping for too long."""
        self.environment.worker_shutdown()
        self.environment.cancel()


async def states(due: Due, claimed: Sequence[Claimed]) -> list[tuple[str, int]]:
    return [await due.state(id) for id in ids(claimed)]


async def test_what_has_not_begun_is_given_back(due: Due) -> None:
    await due.add(4, 4, 4)
    claimed = await due.claim(3)
    async with serving(hook := WebhookReceiver()), egress(hook.allowed) as out:
        hook.always = _HANGS
        stopping = Stopping(due, hook, claimed)
        sending = stopping.begun(out)
        await hook.until(len)
        stopping.environment.worker_shutdown()
        hook.released.set()  # with a 503
        await sending
    assert len(hook.received) == 1
    assert await states(due, claimed) == [("retrying", 1), ("pending", 0), ("pending", 0)]


async def test_what_was_answered_is_on_record_though_another_hangs(due: Due) -> None:
    await due.add(4, 4, 4)
    claimed = await due.claim(3)
    async with serving(hook := WebhookReceiver()), egress(hook.allowed) as out:
        hook.told.append(Reply(204))
        hook.always = _HANGS
        stopping = Stopping(due, hook, claimed)
        sending = stopping.begun(out)
        await hook.until(lambda received: len(received) == 2)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert await states(due, claimed) == [("delivered", 1), ("sending", 1), ("pending", 0)]


async def test_what_waits_for_its_slot_is_given_back(due: Due) -> None:
    await due.add()
    environment = ActivityEnvironment()
    async with serving(slack := SlowSlack()), egress(slack.allowed) as out:
        [first] = await due.claim(1, idempotent=False, interval=4.0)
        await due.end(first)
        [waiting] = await due.add()
        claimed = await due.claim(1, idempotent=False, interval=4.0)
        environment.worker_shutdown()
        one = posting(due, slack, claimed)
        await environment.run(delivering(due, out).round, one.key, one)
    assert slack.received == []
    assert await due.state(waiting) == ("pending", 0)


async def test_a_send_that_would_be_seen_twice_is_not_cut_off(due: Due) -> None:
    [id] = await due.add()
    environment = ActivityEnvironment()
    async with serving(slack := SlowSlack()), egress(slack.allowed) as out:
        one = posting(due, slack, await due.claim(1, idempotent=False))
        way = environment.run(delivering(due, out).round, one.key, one)
        sending = asyncio.create_task(way)
        await slack.asked.wait()
        environment.worker_shutdown()
        environment.cancel()
        slack.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert await due.state(id) == ("delivered", 1)
