"""`python -m benchmarks.notification_weather [--events N] [--entities N] [--seed N]`:
whether notifications hold while vendors answer with errors (bad weather).

Events of a few entities are sent to two Slack channels, Teams, PagerDuty, a signed webhook and two
mailboxes. The servers answer 401, 403, 404, 429 (Retry-After 0, a date, a day), 5xx, 4yz, 5yz and
421 at random, or slowly. Meanwhile integrations are switched off and on, their credentials broken
and mended, and channels deleted. The first part is in real time. Then waits of hours are shortened
from outside (weather_clock.py); the service itself runs unchanged.
Prints one JSON line. `good` means: nothing is lost or stuck; the last message about each entity in
each place names its newest event; attempts are bounded; none comes before its back-off unless a
person asked, and none more than 15 s late in real time; every delivery that was not sent has a
reason; and a change, a test, a success and switching on wake what waits within 10 s
(weather_waking.py).
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from temporalio.client import Client

from benchmarks.weather_clock import Timers, Watch
from benchmarks.weather_vendors import Vendors, Weather
from benchmarks.weather_verdict import Asked, Verdict
from benchmarks.weather_waking import WOKEN_SECONDS, woken
from receivers.receiver import serving
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.faults.fanout import over
from tests.faults.stack import Stack, running
from tests.service import Tenant

_ACTIONS = ("created", "updated", "acknowledged", "resolved")
_POSTING_SECONDS = 60.0
_MOST = 12  # events of one request
_BAD_HOURS = 6.0  # of compressed time, before the weather gets better
_BETTER = 0.05  # the share of errors then


@dataclass(slots=True)
class Scene:
    """A tenant whose events are sent to vendors that answer with errors."""

    tenant: Tenant
    vendors: Vendors
    watch: Watch
    chance: random.Random
    asked: Asked = field(default_factory=Asked)
    integrations: dict[str, str] = field(default_factory=dict)  # ids by kind
    leaving: list[str] = field(default_factory=list)  # channels that are deleted on the way

    async def connect(self) -> None:
        for kind, config in self.vendors.configs().items():
            self.integrations[kind] = await n.integration(self.tenant, kind, config)
        webhook, slack = self.integrations["generic_webhook"], self.integrations["slack"]
        for kind in ("teams", "pagerduty", "email"):
            await self._channel(kind, self.integrations[kind], kind)
        await self._channel("webhook /hook", webhook, "generic_webhook")
        await self._channel("slack ops", slack, "slack")
        await self._channel("slack night", slack, "slack", config={"channel": "#night"})
        self.asked.whole = [*self.asked.names.values()]
        away = {"url": f"{self.vendors.webhook.url}/away", "secret": n.SECRET}
        other = await n.integration(self.tenant, "generic_webhook", away)
        await self._channel("webhook /away", other, "generic_webhook")
        await self._channel("slack gone", slack, "slack", config={"channel": "#gone"})
        self.leaving = [*self.asked.names][-2:]
        self.integrations["away"] = other

    async def _channel(self, name: str, integration: str, kind: str, **more: Any) -> None:
        made = await n.channel(self.tenant, integration, kind, name=name, **more)
        self.asked.names[made] = name

    async def post(self, events: int, entities: int) -> None:
        """Post all events, a few at a time; the last event of each entity resolves it."""
        numbers = [number % entities for number in range(events)]
        self.chance.shuffle(numbers)
        left, pause = Counter(numbers), _POSTING_SECONDS * (1 + _MOST) / 2 / events
        while numbers:
            body = []
            for _ in range(min(self.chance.randint(1, _MOST), len(numbers))):
                entity = numbers.pop()
                left[entity] -= 1
                body.append(_event(entity, left[entity], self.chance))
            self.asked.accepted += await n.notify(self.tenant, *body)
            if self.leaving and len(numbers) < events * len(self.leaving) / 3:
                await self._delete(self.leaving.pop())
            await asyncio.sleep(self.chance.uniform(0, 2 * pause))

    async def _delete(self, channel: str) -> None:
        http, tenant = self.tenant.service.http, self.tenant
        response = await http.delete(f"/v1/notification-channels/{channel}", headers=tenant.headers)
        assert response.is_success, response.text
        self.asked.done["channel deleted"] += 1
        if self.asked.names[channel] == "webhook /away":
            path = f"/v1/integrations/{self.integrations.pop('away')}"
            assert (await http.delete(path, headers=tenant.headers)).is_success
            self.asked.done["integration deleted"] += 1

    async def disturb(self) -> None:
        """Until cancelled: switch integrations off and on, break and mend, change and test them."""
        acts = (self._switch, self._break, self._change, self._test)
        while True:
            await asyncio.sleep(self.chance.uniform(1, 4))
            kind = self.chance.choice([each for each in self.integrations if each != "away"])
            act = self.chance.choice(acts)
            await act(kind)
            self.asked.done[act.__name__.strip("_")] += 1

    async def _patch(self, kind: str, change: dict[str, Any]) -> None:
        began, id = time.time(), self.integrations[kind]
        await self.tenant.patch(f"/v1/integrations/{id}", change)
        self.asked.acts.append((id, began, time.time()))

    async def _switch(self, kind: str) -> None:
        await self._patch(kind, {"is_active": False})
        await asyncio.sleep(self.chance.uniform(0.1, 6))
        await self._patch(kind, {"is_active": True})

    async def _break(self, kind: str) -> None:
        await self._patch(kind, {"config": self.vendors.wrong(kind)})
        await asyncio.sleep(self.chance.uniform(1, 8))
        await self._patch(kind, {"config": self.vendors.right(kind)})

    async def _change(self, kind: str) -> None:
        await self._patch(kind, {"description": f"changed {len(self.asked.acts)}"})

    async def _test(self, kind: str) -> None:
        began, id = time.time(), self.integrations[kind]
        await self.tenant.post(f"/v1/integrations/{id}/test")
        self.asked.acts.append((id, began, time.time()))

    async def mend(self) -> None:
        """Switch all integrations on and give them the right config, in case a disturbance was cut
        short."""
        for kind in self.integrations:
            right = {"config": self.vendors.right(kind)} if kind != "away" else {}
            await self._patch(kind, {"is_active": True} | right)

    async def resend(self) -> None:
        """Resend the deliveries that were not sent because their integration was switched off."""
        rows = await self.tenant.sql(
            "select id::text as id from notification_deliveries where reason = 'integration_off'"
        )
        for row in rows:
            self.asked.resent.append((row["id"], time.time()))
            response = await self.tenant.post(f"/v1/deliveries/{row['id']}/resend")
            assert response.is_success, response.text
        self.asked.done["resend"] += len(rows)


def _event(entity: int, left: int, chance: random.Random) -> dict[str, Any]:
    action = "resolved" if left == 0 else chance.choice(_ACTIONS)
    severity = chance.choice(["critical", "error", "warning", "info"])
    return {
        "eventType": f"incident.{action}",
        "title": f"entity {entity}, {left} to come",
        "entityType": "incident",
        "entityId": f"INC{entity}",
        "metadata": {"severity": severity},
    }


@asynccontextmanager
async def _scene(stack: Stack, vendors: Vendors, seed: int) -> AsyncIterator[Scene]:
    tenant = await stack.tenant()
    connection = await asyncpg.connect(stack.service.dsn)
    await connection.execute(f"set search_path to {tenant.id.schema}, public")
    timers = Timers(await Client.connect(stack.told["temporal"]))
    scene = Scene(tenant, vendors, Watch(connection, timers), random.Random(seed))
    await scene.connect()
    watching = asyncio.create_task(scene.watch.run())
    try:
        yield scene
    finally:
        if watching.done():
            watching.result()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await connection.close()


async def _storm(scene: Scene, asked: argparse.Namespace) -> None:
    """Post and disturb, then shorten waits, until all deliveries have ended or patience is over."""
    watch = scene.watch
    disturbing = asyncio.create_task(scene.disturb())
    await scene.post(asked.events, asked.entities)
    await asyncio.sleep(asked.real)
    watch.leaps = True
    end = time.monotonic() + asked.patience
    while watch.clock.total < _BAD_HOURS * 3_600 and time.monotonic() < end:
        if disturbing.done():
            disturbing.result()
        if await over(scene.tenant, 1):
            break
    disturbing.cancel()
    await asyncio.gather(disturbing, return_exceptions=True)
    await scene.mend()
    scene.vendors.weather.share = _BETTER
    await over(scene.tenant, asked.patience)
    await scene.resend()
    await over(scene.tenant, asked.patience)


async def run(home: Path, asked: argparse.Namespace) -> bool:
    """Run one campaign on a new service; prints its line. Returns whether all is as it must be."""
    began, vendors = time.monotonic(), Vendors(Weather(random.Random(asked.seed + 1)))
    hook = WebhookReceiver(n.SECRET)
    async with vendors.serving(), serving(hook):
        allow = f"{vendors.allowed},{hook.allowed}"
        async with running(home, 2, EGRESS_ALLOW=allow) as stack:
            took = await woken(await stack.tenant(), hook)
            async with _scene(stack, vendors, asked.seed) as scene:
                await _storm(scene, asked)
                verdict = await Verdict.of(scene.tenant, scene.asked, vendors, scene.watch)
    found = {"name": "notification_weather", "events": asked.events, "entities": asked.entities}
    found |= {"seed": asked.seed, "seconds": round(time.monotonic() - began), "woken": took}
    found |= verdict.summary()
    found["good"] = found["good"] and max(took.values()) <= WOKEN_SECONDS
    print(json.dumps(found), flush=True)
    return bool(found["good"])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.notification_weather", description=__doc__
    )
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--entities", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", type=float, default=60, help="seconds in real time after posting")
    parser.add_argument(
        "--patience", type=float, default=900, help="seconds at most for each later part"
    )
    asked = parser.parse_args()
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, of logins in the clear
    with tempfile.TemporaryDirectory(prefix="firelater-weather-") as home:
        good = asyncio.run(run(Path(home), asked))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
