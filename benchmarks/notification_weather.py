"""`python -m benchmarks.notification_weather [--events N] [--entities N] [--seed N]`:
what becomes of events in bad weather.

Events of few entities go to PagerDuty, a signed webhook, Slack and a mail server, all of which
answer 401, 403, 404, 429 (Retry-After 0, a date, a day) and 5xx at random while integrations are
switched off and on. Waits of hours are made short from outside: every second each time on record is
moved five minutes towards now, and what waits is woken; the service itself runs as it always does.
Prints one JSON line. `good`: nothing lost or stuck, each channel's last word is the latest state,
attempts are bounded, nothing that is due stands still, and whoever got nothing has the reason.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from domain.backoff import most_attempts
from domain.delivery import PROMPT
from tests.api import notifying as n
from tests.faults.fanout import over
from tests.faults.stack import Stack, running
from tests.receivers import smtp
from tests.receivers.pagerduty import PagerDutyReceiver
from tests.receivers.receiver import Receiver, serving
from tests.receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from tests.receivers.webhook import WebhookReceiver
from tests.service import Tenant

_LEAP_SECONDS = 300.0
_LATE_SECONDS = 30.0  # for which nothing stands still that could be sent
_ACTIONS = ("created", "updated", "acknowledged", "resolved")
_KEY = "R0UT1NGKEY0FTHEWEATHER0000000001"
_FREELY = {"count": 1_000, "seconds": 1}


def _replies() -> list[tuple[int, dict[str, str]]]:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    waits = [{"Retry-After": said} for said in ("0", "0.5", later, "86400")]
    return [*((status, {}) for status in (401, 403, 404, 500, 503)), *((429, w) for w in waits)]


@dataclass(slots=True)
class Weather:
    """How often a vendor answers out of the ordinary."""

    chance: random.Random
    share: float = 0.5

    def reply(self) -> web.Response | None:
        if self.chance.random() >= self.share:
            return None
        status, headers = self.chance.choice(_replies())
        return web.Response(status=status, headers=headers)


class Exposed(Receiver):
    """Before a vendor's receiver: the weather answers first."""

    weather: Weather

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        told = self.weather.reply()
        return await super().answer(request, body) if told is None else told


class _Slack(Exposed, SlackReceiver): ...


class _PagerDuty(Exposed, PagerDutyReceiver): ...


class _Webhook(Exposed, WebhookReceiver): ...


@dataclass(slots=True)
class Scene:
    """A tenant whose events go out into the weather."""

    tenant: Tenant
    weather: Weather
    chance: random.Random
    pagerduty: PagerDutyReceiver
    integrations: list[str]
    accepted: list[str] = field(default_factory=list)
    late: set[str] = field(default_factory=set)

    async def post(self, events: int, entities: int) -> None:
        """Post all, a few at a time; each entity's last event resolves it."""
        numbers = [number % entities for number in range(events)]
        left = Counter(numbers)
        while numbers:
            body = []
            for _ in range(min(self.chance.randint(1, 12), len(numbers))):
                entity = numbers.pop(0)
                left[entity] -= 1
                body.append(_event(entity, left[entity], self.chance))
            self.accepted += await n.notify(self.tenant, *body)
            await asyncio.sleep(self.chance.uniform(0.0, 0.4))

    async def disturb(self) -> None:
        """Switch integrations off and on, and mend what needs no mending."""
        while True:
            await asyncio.sleep(self.chance.uniform(1, 4))
            path = f"/v1/integrations/{self.chance.choice(self.integrations)}"
            await self.tenant.patch(path, {"is_active": False})
            await asyncio.sleep(self.chance.uniform(0.1, 1))
            await self.tenant.patch(path, {"is_active": True})

    async def leap(self) -> None:
        """Let time pass faster for all that waits, and look for what stands still."""
        while True:
            await asyncio.sleep(1)
            rows = await self.tenant.sql(_STANDING, _LATE_SECONDS)
            self.late |= {str(row["id"]) for row in rows}
            for statement in _LEAPS:
                await self.tenant.sql(statement, _LEAP_SECONDS)
            await self.tenant.sql(_WAKE, self.tenant.id)


_STANDING = """
select d.id from notification_deliveries d join integrations i on i.id = d.integration_id
    left join delivery_rates r on r.integration_id = i.id and r.destination = d.destination
where d.completed_at is null and d.status <> 'sending' and i.is_active and r.probe_at is null
    and greatest(d.next_attempt_at, d.updated_at, i.updated_at, r.rests_until, r.free_at)
        < now() - make_interval(secs => $1)
    and not exists (select 1 from notification_deliveries s where s.integration_id = i.id
        and s.updated_at > now() - make_interval(secs => $1))
"""
_LEAPS = (
    "update notification_deliveries set next_attempt_at = next_attempt_at"
    " - make_interval(secs => $1) where completed_at is null and next_attempt_at > now()",
    "update delivery_rates set rests_until = rests_until - make_interval(secs => $1),"
    " probe_at = probe_at - make_interval(secs => $1),"
    " probed_at = probed_at - make_interval(secs => $1)"
    " where coalesce(rests_until, probe_at) is not null",
)
_WAKE = """
insert into public.outbox (tenant_id, kind, subject, count)
select $1, 'wake', request_id, 1 from (select distinct request_id from notification_deliveries
    where completed_at is null and status <> 'sending') r
where not exists (select 1 from public.outbox o where o.subject = r.request_id)
"""


def _event(entity: int, left: int, chance: random.Random) -> dict[str, Any]:
    action = "resolved" if left == 0 else chance.choice(_ACTIONS)
    severity = chance.choice(["critical", "error", "warning", "info"])
    said = {"eventType": f"incident.{action}", "title": f"entity {entity}, {left} to come"}
    return said | {
        "entityType": "incident", "entityId": f"INC{entity}", "metadata": {"severity": severity}
    }  # fmt: skip


_RECORD = """
select d.id, d.notification_id, d.channel_type, d.status, d.reason, d.last_error, d.attempts,
    d.completed_at, n.entity_id, n.event_type, n.title
from notification_deliveries d join notifications n on n.id = d.notification_id
order by d.completed_at
"""


def _summary(scene: Scene, record: list[Any]) -> dict[str, Any]:
    told = {"accepted", "delivered"}
    traced = Counter(str(row["notification_id"]) for row in record)
    silent = [row for row in record if row["reason"] is None and row["last_error"] is None]
    unexplained = [row for row in silent if row["status"] not in told]
    most = max(row["attempts"] for row in record)
    still_open = _wrongly_open(scene, record)
    late = [row for row in record if row["status"] in told and _is_late(row, record)]
    summary = {
        "deliveries": len(record),
        "statuses": dict(Counter(row["status"] for row in record)),
        "reasons": dict(Counter(str(row["reason"]) for row in record if row["reason"])),
        "lost": len(set(scene.accepted) - traced.keys()),
        "stuck": sum(row["completed_at"] is None for row in record),
        "unexplained": len(unexplained),
        "stood_still": len(scene.late),
        "most_attempts": most,
        "bound": most_attempts(PROMPT),
        "told_late": len(late),
        "alerts_left_open": len(still_open),
    }
    wrong = ("lost", "stuck", "unexplained", "stood_still", "alerts_left_open")
    return summary | {"good": not any(summary[name] for name in wrong) and most <= summary["bound"]}


def _wrongly_open(scene: Scene, record: list[Any]) -> set[str]:
    """Entities whose alert is open although their last event resolves it, and was not refused."""
    resolved = {
        f"incident_{row['entity_id']}"
        for row in record
        if row["channel_type"] == "pagerduty"
        and row["title"].endswith(", 0 to come")
        and row["status"] in ("accepted", "delivered")
    }
    return {a.dedup_key for a in scene.pagerduty.alerts if a.state != "resolved"} & resolved


def _is_late(row: Any, record: list[Any]) -> bool:
    """Whether a later event of the entity was told before it, in the same channel."""
    return any(
        other["entity_id"] == row["entity_id"]
        and other["channel_type"] == row["channel_type"]
        and other["notification_id"] > row["notification_id"]
        and other["status"] in ("accepted", "delivered")
        and other["completed_at"] < row["completed_at"]
        for other in record
    )


@asynccontextmanager
async def _scene(home: Path, seed: int) -> AsyncIterator[Scene]:
    chance = random.Random(seed)
    weather = Weather(random.Random(seed + 1))
    slack, webhook, pagerduty = _Slack(), _Webhook(n.SECRET), _PagerDuty()
    vendors: list[Exposed] = [slack, webhook, pagerduty]
    mail = smtp.SmtpReceiver("none", login=False)
    async with AsyncExitStack() as open:
        for each in vendors:
            each.weather = weather
            await open.enter_async_context(serving(each))
        await open.enter_async_context(smtp.serving(mail))
        allow = ",".join([*(each.allowed for each in vendors), mail.allowed])
        stack: Stack = await open.enter_async_context(running(home, 2, EGRESS_ALLOW=allow))
        tenant = await stack.tenant()
        made = []
        for kind, config in _configs(slack, webhook, pagerduty, mail).items():
            made.append(await n.integration(tenant, kind, config))
            await n.channel(tenant, made[-1], kind)
        yield Scene(tenant, weather, chance, pagerduty, made)


def _configs(
    slack: Receiver, webhook: Receiver, pagerduty: Receiver, mail: smtp.SmtpReceiver
) -> dict[str, dict[str, Any]]:
    host, _, port = mail.url.rpartition("/")[2].rpartition(":")
    return {
        "slack": {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "rateLimit": _FREELY}
        | {"baseUrl": f"{slack.url}/api"},
        "generic_webhook": {"url": f"{webhook.url}/hook", "secret": n.SECRET},
        "pagerduty": {"integrationKey": _KEY, "rateLimit": _FREELY}
        | {"baseUrl": pagerduty.url, "restBaseUrl": pagerduty.url},
        "email": {"host": host, "port": int(port), "security": "none", "to": ["ops@example.com"]}
        | {"fromAddress": "notices@firelater.example"},
    }


async def run(home: Path, asked: argparse.Namespace) -> bool:
    """One campaign on a service of its own; prints its line. Whether all is as it must be."""
    events, entities, seed = asked.events, asked.entities, asked.seed
    async with _scene(home, seed) as scene:
        began = time.monotonic()
        leaping = asyncio.create_task(scene.leap())
        disturbing = asyncio.create_task(scene.disturb())
        await scene.post(events, entities)
        disturbing.cancel()
        await asyncio.gather(disturbing, return_exceptions=True)
        for each in scene.integrations:
            await scene.tenant.patch(f"/v1/integrations/{each}", {"is_active": True})
        await asyncio.sleep(20)
        scene.weather.share = 0.1  # the storm is over; now and then it rains
        await over(scene.tenant, asked.patience)
        leaping.cancel()
        summary = _summary(scene, await scene.tenant.sql(_RECORD))
    named = {"name": "notification_weather", "events": events, "entities": entities, "seed": seed}
    took = round(time.monotonic() - began, 1)
    print(json.dumps({**named, "seconds": took, **summary}), flush=True)
    return bool(summary["good"])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.notification_weather", description=__doc__
    )
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--entities", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=900, help="seconds after the storm")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firelater-weather-") as home:
        good = asyncio.run(run(Path(home), asked))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
