"""`python -m benchmarks.notification_faults [--notifications N] [--kills N] [--seed N]`: whether
notifications are lost or repeated when processes are killed.

Events are sent to PagerDuty, a signed webhook and Slack, while workers, the API, PostgreSQL and
Temporal are killed at random moments. Prints one JSON line for each kill, and a summary that
compares what arrived with what was accepted and what is on record.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import serving
from receivers.slack import SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification.notifying import SECRET
from tests.faults.fanout import UNKEYED, Client, Late, Record, Vendors, judged, over, recorded
from tests.faults.stack import Name, Stack, running

_WORKERS = 3
_VICTIMS: tuple[Name, ...] = ("worker", "api", "postgres", "temporal")
_CLIENTS = 4
_LONGEST_LIST = 40
_LATENCY = (0.02, 0.25)  # seconds
_UNTIL_KILL, _BETWEEN = (0.0, 2.0), (1.0, 6.0)  # seconds
_PATIENCE = 300.0  # seconds; deliveries that are open after them count as stuck


class _Unhurried(Late):
    """A vendor that answers slowly, so that many sends are under way whenever a process dies."""

    async def waiting(self) -> None:
        await asyncio.sleep(random.uniform(*_LATENCY))


class _Slack(_Unhurried, SlackReceiver): ...


class _PagerDuty(_Unhurried, PagerDutyReceiver): ...


class _Webhook(_Unhurried, WebhookReceiver): ...


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill of `victim`. `recovered`: seconds until an event that was posted after the kill had
    arrived everywhere."""

    victim: Name
    at: float  # time.time()
    recovered: float


@dataclass(slots=True)
class Campaign:
    """A running service, its receivers, and the events to post while processes are killed."""

    stack: Stack
    vendors: Vendors
    client: Client
    chance: random.Random
    numbers: list[int]
    kills: list[Kill] = field(default_factory=list)

    async def disturb(self, kills: int) -> None:
        """Post the events in as many parts as there are kills; during each part something is
        killed."""
        victims = [_VICTIMS[each % len(_VICTIMS)] for each in range(kills)]
        self.chance.shuffle(victims)
        share = len(self.numbers) // kills
        for victim in victims:
            numbers = [self.numbers.pop() for _ in range(share - 1)]
            posting = asyncio.create_task(self._post(numbers))
            await asyncio.sleep(self.chance.uniform(*_UNTIL_KILL))
            self.kills.append(await self._kill(victim))
            print(json.dumps(_line(self.kills[-1])), flush=True)
            await posting
            await asyncio.sleep(self.chance.uniform(*_BETWEEN))
        await self._post(self.numbers)

    async def _kill(self, victim: Name) -> Kill:
        which = self.chance.randrange(len(self.stack.pids(victim)))
        # SIGQUIT makes PostgreSQL stop immediately, as in a crash, together with its children.
        by = signal.SIGQUIT if victim == "postgres" else signal.SIGKILL
        at, pid = time.time(), self.stack.send(victim, by, which)
        await self._arrives(await self.client.notify(self.numbers.pop()))
        kill = Kill(victim, at, time.time() - at)
        await self.stack.replaced(victim, pid)
        await self.stack.answering()
        return kill

    async def _post(self, numbers: list[int]) -> None:
        """Post events singly and in lists, by several clients at once."""
        requests = []
        while numbers:
            size = self.chance.choice([1, 1, 1, self.chance.randint(2, _LONGEST_LIST)])
            requests.append([numbers.pop() for _ in range(min(size, len(numbers)))])
        waiting = iter(requests)

        async def one_after_another() -> None:
            for request in waiting:
                await self.client.notify(*request)

        await asyncio.gather(*(one_after_another() for _ in range(_CLIENTS)))

    async def _arrives(self, ids: list[str]) -> None:
        """Wait until the event has arrived everywhere. Slack's messages name the delivery's id, the
        others the notification's."""
        [id] = ids
        pagerduty, webhook = self.vendors.pagerduty, self.vendors.webhook
        assert pagerduty is not None
        title = f'"{id}"'.encode()
        for receiver in (pagerduty, webhook):
            await receiver.until(lambda received: any(title in each.body for each in received))
        [[delivery]] = await self.client.tenant.sql(
            "select id::text from notification_deliveries"
            " where notification_id = $1::text::uuid and channel_type = $2",
            id,
            UNKEYED,
        )
        key = delivery.encode()
        await self.vendors.slack.until(lambda received: any(key in each.body for each in received))


def _line(kill: Kill) -> dict[str, Any]:
    return {"killed": kill.victim, "seconds_to_recovery": round(kill.recovered, 1)}


def _summary(campaign: Campaign, record: Record) -> dict[str, Any]:
    kills = campaign.kills
    in_flight = [record.in_flight(kill.at) for kill in kills]
    settled = [max(record.settled(kill.at) - kill.at, 0.0) for kill in kills]
    verdict = judged(campaign.client.accepted, campaign.vendors, record)
    return {
        "kills": len(kills),
        **asdict(verdict),
        "in_flight_at_kills": sum(in_flight),
        "good": verdict.is_good
        and verdict.duplicates <= sum(in_flight)
        and not campaign.client.was_refused,
        "refusals": {str(status): count for status, count in campaign.client.refusals.items()},
        "seconds_to_recovery": _spread([kill.recovered for kill in kills]),
        "seconds_until_all_before_was_over": _spread(settled),
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": round(median(seconds), 1), "max": round(max(seconds), 1)}


@asynccontextmanager
async def _campaign(home: Path, notifications: int, seed: int) -> AsyncIterator[Campaign]:
    vendors = Vendors(_Slack(), _Webhook(SECRET), _PagerDuty())
    async with AsyncExitStack() as open:
        for each in vendors.all:
            await open.enter_async_context(serving(each))
        allow = ",".join(each.allowed for each in vendors.all)
        stack = await open.enter_async_context(running(home, _WORKERS, EGRESS_ALLOW=allow))
        tenant = await stack.tenant()
        await vendors.connect(tenant)
        numbers = list(range(notifications))
        yield Campaign(stack, vendors, Client(tenant), random.Random(seed), numbers)


async def run(home: Path, notifications: int, kills: int, seed: int) -> bool:
    """Run one campaign on a new service; prints its lines. Returns whether all is as it must be."""
    async with _campaign(home, notifications, seed) as campaign:
        began = time.monotonic()
        await campaign.disturb(kills)
        await over(campaign.client.tenant, _PATIENCE)
        took = round(time.monotonic() - began, 1)
        summary = _summary(campaign, await recorded(campaign.client.tenant))
    named = {"name": "notification_faults", "notifications": notifications, "seed": seed}
    print(json.dumps({**named, "seconds": took, **summary}), flush=True)
    return bool(summary["good"])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.notification_faults", description=__doc__
    )
    parser.add_argument("--notifications", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the random kills")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firelater-faults-") as home:
        good = asyncio.run(run(Path(home), asked.notifications, asked.kills, asked.seed))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
