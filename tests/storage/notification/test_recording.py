"""An answer that was read is recorded in the end, and no message that arrived is repeated."""

import asyncio
from dataclasses import replace

import pytest

from domain.integration.outcome import FailureClass
from egress.client import egress
from receivers.receiver import serving
from storage.notification.leases import LEASE_SECONDS
from storage.postgres.database import Database
from tests.storage.kept import Kept
from tests.storage.notification.due import Due
from tests.storage.notification.sending import SlowSlack, away, delivering, posting, sent

_OUTAGE_SECONDS = 11.0  # a fail-over's
_BUSY_SECONDS = 0.5  # many times the pool's time-out for a connection
_LEASE = "select lease_until from tenant.notification_deliveries"


async def test_however_long_the_database_is_away(due: Due, kept: Kept) -> None:
    [id] = await due.add()
    async with serving(slack := SlowSlack()), egress(slack.allowed) as out:
        batch = posting(due, slack, await due.claim(1, idempotent=False))
        sending = asyncio.create_task(sent(delivering(due, out), batch))
        await slack.asked.wait()
        async with away(kept.dsn):
            slack.gate.set()
            await asyncio.sleep(_OUTAGE_SECONDS)
        await sending
    assert await due.state(id) == ("delivered", 1)
    assert len(slack.messages) == 1


async def test_a_pool_that_is_used_up_does_not_end_the_lease_of_what_is_being_sent(
    due: Due, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.notification.recording._RENEW_SECONDS", 0.05)
    one = Database(kept.dsn, pool_size=1)
    monkeypatch.setattr(one.engine.sync_engine.pool, "_timeout", 0.05)
    [id] = await due.add()
    async with serving(slack := SlowSlack()), egress(slack.allowed) as out:
        batch = posting(due, slack, await due.claim(1, idempotent=False))
        async with one.statements(due.tenant_id):
            sending = asyncio.create_task(sent(delivering(replace(due, database=one), out), batch))
            await slack.asked.wait()
            await asyncio.sleep(_BUSY_SECONDS)
            [before] = await due.rows(_LEASE)
        async with asyncio.timeout(10):
            while await due.rows(_LEASE) == [before]:
                await asyncio.sleep(0.02)
        [after] = await due.rows(_LEASE)
        assert after["lease_until"] > before["lease_until"]
        slack.gate.set()
        await sending
    assert await due.state(id) == ("delivered", 1)
    await one.close()


class TestTakenForLost:
    """The lease ended and the attempt was closed as `unknown` before its answer is recorded."""

    async def test_what_arrived_is_not_sent_again(self, due: Due) -> None:
        [id] = await due.add()
        claimed = await due.claim()
        await due.pass_time(LEASE_SECONDS + 1)
        await due.reclaim()
        await due.end(claimed[0], code=200)
        assert await due.state(id) == ("delivered", 1)
        assert await due.classes(id) == [None]
        assert await due.claim() == []

    async def test_what_failed_is_as_unsure_as_before(self, due: Due) -> None:
        [id] = await due.add()
        claimed = await due.claim()
        await due.pass_time(LEASE_SECONDS + 1)
        await due.reclaim()
        await due.end(claimed[0], "failed", kind=FailureClass.PERMANENT)
        assert await due.state(id) == ("retrying", 1)
        assert await due.classes(id) == [FailureClass.UNKNOWN]

    async def test_what_is_sent_again_already_is_the_later_attempts(self, due: Due) -> None:
        [id] = await due.add()
        [first] = await due.claim()
        await due.pass_time(LEASE_SECONDS + 1)
        await due.reclaim()
        [second] = await due.claim()
        await due.end(first)
        assert await due.state(id) == ("sending", 2)
        assert await due.classes(id) == [FailureClass.UNKNOWN]
        await due.end(second, "retrying", kind=FailureClass.TRANSIENT, wait=0.0)
        await due.end(first)
        assert await due.state(id) == ("retrying", 2)
