"""Deliveries that are claimed and sent together: when the batch ends and is recorded."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.notification.delivering import DeliverActivities
from egress.client import egress
from receivers.receiver import Reply, serving
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.webhook import EXAMPLE_SECRET, WebhookReceiver
from storage.notification.leases import LEASE_SECONDS
from storage.postgres.statement import as_json
from tests.storage.kept import Kept
from tests.storage.notification.due import Due, ids
from tests.storage.notification.sending import SlowPager, batch, delivering, sent
from workflows.notification import messages as m

_HANGS = Reply(hang=True)
_KEY = "R0UT1NGKEY0FTHEBATCHES0000000001"
_HELD = "select from tenant.notification_deliveries where lease_until > now()"
_CONNECT = """
update tenant.integrations set type = $1, config = $2::jsonb, credentials = $3 returning 1
"""


async def test_of_a_receiver_that_wants_no_more_the_others_wait(due: Due) -> None:
    await due.add(*[4] * 5)
    claimed = await due.claim(5)
    async with serving(hook := WebhookReceiver()), egress(hook.allowed) as out:
        hook.always = Reply(410)
        config = {"url": hook.url, "secret": EXAMPLE_SECRET}
        await sent(delivering(due, out), batch(due, "generic_webhook", config, claimed))
    assert len(hook.received) == 1
    found = [await due.state(id) for id in ids(claimed)]
    assert found == [("failed", 1), *[("pending", 0)] * 4]
    [row] = await due.rows("select is_active from tenant.integrations")
    assert not row["is_active"]


async def test_who_sends_for_others_only_looks_at_what_is_left_of_its_own(due: Due) -> None:
    """Otherwise its round would last as long as the others have deliveries."""
    await due.add(4, 4)
    claimed = await due.claim(1)
    async with serving(hook := WebhookReceiver()), egress(hook.allowed) as out:
        config = {"url": hook.url, "secret": EXAMPLE_SECRET}
        full = replace(batch(due, "generic_webhook", config, claimed), is_full=True)
        others = replace(full, key=replace(full.key, request_id=uuid4()))
        lane = await ActivityEnvironment().run(delivering(due, out).round, others.key, others)
    assert len(hook.received) == 1
    assert lane.open == 0


class TestState:
    """A vendor that shows the state of alerts, which people may change meanwhile."""

    async def sent(
        self, due: Due, pager: SlowPager, first: Reply, state: tuple[str, int]
    ) -> list[tuple[str, int]]:
        """Send two at once; the second is answered when the first is recorded. Their states."""
        id, other = await due.add(4, 4)
        claimed = await due.claim(2, stateful=True)
        async with serving(pager), egress(pager.allowed) as out:
            pager.told.append(first)
            config = {"integrationKey": _KEY, "baseUrl": pager.url}
            two = batch(due, "pagerduty", config, claimed, 2)
            activity = ActivityEnvironment()
            way = activity.run(delivering(due, out).round, two.key, two)
            sending = asyncio.create_task(way)
            async with asyncio.timeout(5):
                while await due.state(id) != state:
                    await asyncio.sleep(0.02)
            assert not sending.done()
            activity.worker_shutdown()  # so that it sends no more than the window
            pager.gate.set()
            await sending
        return [await due.state(each) for each in (id, other)]

    async def test_what_was_answered_is_on_record_before_all_is_sent(self, due: Due) -> None:
        """An alert that is triggered again after it was resolved opens another one."""
        found = await self.sent(due, SlowPager(), Reply(202, "{}"), ("accepted", 1))
        assert found == [("accepted", 1), ("delivered", 1)]

    async def test_what_arrives_later_ends_the_doubt_all_the_same(self, due: Due) -> None:
        await self.sent(due, SlowPager(), Reply(403), ("retrying", 1))
        assert (await due.place())["probe"] is None


async def test_a_batch_keeps_its_leases_while_a_send_takes_several_calls(
    due: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise another worker would send the same again, and some vendors would show it twice."""
    monkeypatch.setattr("activities.notification.recording._RENEW_SECONDS", 0.05)
    [id] = await due.add(4)
    claimed = await due.claim(1, stateful=True)
    async with serving(pager := SlowPager()), egress(pager.allowed) as out:
        config = {"integrationKey": _KEY, "baseUrl": pager.url}
        sending = asyncio.create_task(
            sent(delivering(due, out), batch(due, "pagerduty", config, claimed))
        )
        await pager.asked.wait()
        await due.pass_time(LEASE_SECONDS + 1)  # the lease has ended, and is renewed
        async with asyncio.timeout(10):
            while not await due.rows(_HELD):
                await asyncio.sleep(0.02)
        await due.reclaim()
        pager.gate.set()
        await sending
    assert await due.state(id) == ("delivered", 1)


async def test_who_has_answered_holds_no_place_for_who_hangs(due: Due, kept: Kept) -> None:
    for place in "abc":
        await due.add(to=place)
    async with serving(slack := SlackReceiver()), egress(slack.allowed) as out:
        slack.told.append(_HANGS)
        config = {"defaultChannel": "#ops", "baseUrl": f"{slack.url}/api", "maxInFlight": 2}
        secrets = kept.vault.seal(due.tenant_id, due.integration_id, {"botToken": EXAMPLE_TOKEN})
        await due.rows(_CONNECT, "slack", as_json(config), secrets)
        worker = delivering(due, out, kept.vault)
        rounds = [asyncio.create_task(_round(worker, due)) for _ in range(2)]
        await slack.until(lambda received: len(received) == 3, within=8)
        assert len(slack.messages) == 2  # beside the one that hangs, which may come again
        slack.released.set()
        await asyncio.gather(*rounds)


async def _round(worker: DeliverActivities, due: Due) -> Any:
    request = m.RequestRef(tenant_id=due.tenant_id, request_id=str(due.request_id))
    input = m.DeliverInput(request=request, integration_id=str(due.integration_id), round=1)
    return await ActivityEnvironment().run(worker.deliver, input)
