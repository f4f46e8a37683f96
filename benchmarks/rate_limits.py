"""Whether rates and Retry-After are kept, measured by receivers that allow no exception.

`slack`: 300 notifications at once for a channel that takes one message a second and answers 429 to
any that comes sooner, and a critical one after half the time; first as 300 requests, then as one.
`retry_after`: 1,000 deliveries to 100 webhooks; the first attempt of each is answered 429, with a
time to wait.

Prints one JSON line for each run. `ok` of `slack`: at least 280 of 300 messages arrive within
300 s, none is answered 429, and the critical one arrives within 7 s. `ok` of `retry_after`: no send
comes too early, and each retry begins within 2 s after the destination is free.
"""

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median
from typing import Any, NamedTuple

import asyncpg
import httpx
from temporalio.client import Client

from benchmarks.retrying import PATHS, RetryingReceiver
from benchmarks.sinking import SECRET, event
from benchmarks.stack import Stack, Tenant, stack
from receivers.receiver import Received, Receiver, serving
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver

_WORKERS = 4
_LATENESS = 2.0  # seconds by which a retry may begin late
_CRITICAL = "All disks are full"
_CRITICAL_SECONDS = 7.0  # within which the critical notification must arrive
_ENOUGH, _POSSIBLE = 280, 300  # messages that must arrive, of those that the channel can take


@dataclass(frozen=True, slots=True)
class Scene:
    """A tenant of a running service, which may send to a receiver in this process."""

    running: Stack
    tenant: Tenant
    http: httpx.AsyncClient

    def connect(self, type: str, config: dict[str, Any]) -> None:
        """Create an integration with a default channel."""
        body: dict[str, Any] = {"name": f"{type} {config.get('url', '')}", "type": type}
        made = self.tenant.api.post("/v1/integrations", body | {"config": config})["data"]["id"]
        channel = {"integration_id": made, "is_default": True}
        self.tenant.api.post("/v1/notification-channels", body | channel)

    async def post(self, body: Any) -> str:
        """Post one event or a list; returns the workflow's id."""
        answer = await self.http.post("/v1/notifications", json=body)
        workflow_id: str = answer.raise_for_status().json()["workflowId"]
        return workflow_id

    async def activities(self, workflow_ids: list[str]) -> int:
        """How many activities the workflows have scheduled so far."""
        client = await Client.connect(self.running.temporal)
        total = 0
        for workflow_id in workflow_ids:
            handle = client.get_workflow_handle(workflow_id)
            async for happened in handle.fetch_history_events():
                total += happened.HasField("activity_task_scheduled_event_attributes")
        return total

    async def attempts(self) -> dict[str, int]:
        """The number of recorded attempts by class; successful ones are `ok`, unfinished `open`."""
        connection = await asyncpg.connect(self.running.postgres)
        try:
            found = await connection.fetch(
                "select coalesce(class, case when completed_at is null then 'open' else 'ok' end),"
                f" count(*) from {self.tenant.schema}.delivery_attempts group by 1 order by 1"
            )
        finally:
            await connection.close()
        return {str(kind): int(count) for kind, count in found}


@asynccontextmanager
async def _scene(receiver: Receiver) -> AsyncIterator[Scene]:
    async with serving(receiver):
        with stack(_WORKERS, EGRESS_ALLOW=receiver.allowed) as running:
            tenant = running.new_tenant()
            headers = {"Authorization": f"Bearer {tenant.key}"}
            async with httpx.AsyncClient(
                base_url=tenant.url, headers=headers, timeout=60, trust_env=False
            ) as http:
                yield Scene(running, tenant, http)


class _Sent(NamedTuple):
    at: float
    text: str


def _accepted(received: list[Received], receiver: SlackReceiver) -> list[_Sent]:
    """The messages that the channel has accepted, in order."""
    taken = [each.at for each in received if each.status == 200]
    return [_Sent(at, json.dumps(said)) for at, said in zip(taken, receiver.messages, strict=True)]


async def slack(asked: argparse.Namespace) -> None:
    await _slack("slack, single requests", asked.seconds, _singly)
    await _slack("slack, one list", asked.seconds, _together)


async def _singly(scene: Scene, count: int) -> list[str]:
    some = asyncio.Semaphore(20)

    async def one(number: int) -> str:
        async with some:
            return await scene.post(event(number))

    return await asyncio.gather(*(one(number) for number in range(count)))


async def _together(scene: Scene, count: int) -> list[str]:
    return [await scene.post([event(number) for number in range(count)])]


async def _slack(
    name: str, seconds: int, post: Callable[[Scene, int], Awaitable[list[str]]]
) -> None:
    """Post as many notifications at the start as the run has seconds; `post` says how."""
    receiver = SlackReceiver(per_second=1)
    async with _scene(receiver) as scene:
        config = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#operations"}
        scene.connect("slack", config | {"baseUrl": f"{receiver.url}/api"})
        began = time.time()
        workflows = await post(scene, seconds)
        posting = time.time() - began
        await asyncio.sleep(max(began + seconds / 2 - time.time(), 0))
        asked = time.time()
        workflows.append(
            await scene.post(event(seconds, title=_CRITICAL, metadata={"severity": "critical"}))
        )
        await asyncio.sleep(max(began + seconds - time.time(), 0))
        sent = [
            each for each in _accepted(receiver.received, receiver) if each.at <= began + seconds
        ]
        throttled = sum(each.status == 429 for each in receiver.received)
        activities = await scene.activities(workflows)
        attempts = await scene.attempts()
    gaps = [after.at - before.at for before, after in pairwise(sent)]
    critical = next((each.at - asked for each in sent if _CRITICAL in each.text), None)
    figures = {
        "seconds": seconds,
        "sent": len(sent),
        "status_429": throttled,
        "gap_s": {"min": _s(min(gaps)), "median": _s(median(gaps)), "max": _s(max(gaps))},
        "critical_s": critical and _s(critical),
        "posting_s": _s(posting),
        "activities_per_delivery": round(activities / len(sent), 3),
        "attempts": attempts,
    }
    enough = len(sent) >= seconds * _ENOUGH // _POSSIBLE
    in_time = critical is not None and critical <= _CRITICAL_SECONDS
    _say(name, figures, ok=enough and not throttled and in_time)


async def retry_after(asked: argparse.Namespace) -> None:
    receiver = RetryingReceiver(SECRET, random.Random(asked.seed))
    count = 1_000
    async with _scene(receiver) as scene:
        for path in PATHS:
            scene.connect("generic_webhook", {"url": f"{receiver.url}{path}", "secret": SECRET})
        began = time.time()
        workflow = await scene.post([event(number) for number in range(count // len(PATHS))])
        await receiver.until(lambda _: len(receiver.late) >= count, within=600)
        seconds = time.time() - began
        activities, attempts = await scene.activities([workflow]), await scene.attempts()
    late, overdue = sorted(receiver.late), sorted(receiver.overdue)
    figures = {
        "seed": asked.seed,
        "deliveries": count,
        "destinations": len(PATHS),
        "replies_with_retry_after": dict(receiver.asked),
        "early": receiver.early,
        "retries": len(late),
        "late_s": _spread(late),
        "overdue_s": _spread(overdue),
        "seconds": _s(seconds),
        "activities_per_delivery": round(activities / count, 3),
        "attempts": attempts,
    }
    _say("retry_after", figures, ok=receiver.early == 0 and overdue[-1] <= _LATENESS)


def _spread(sorted_seconds: list[float]) -> dict[str, float]:
    count = len(sorted_seconds)
    return {
        "p50": _s(sorted_seconds[count // 2]),
        "p99": _s(sorted_seconds[int(count * 0.99)]),
        "max": _s(sorted_seconds[-1]),
        "mean": _s(mean(sorted_seconds)),
    }


def _s(seconds: float) -> float:
    return round(seconds, 3)


def _say(name: str, figures: dict[str, Any], *, ok: bool) -> None:
    load = [round(each, 2) for each in os.getloadavg()]
    line = {"name": name, "workers": _WORKERS, **figures, "load_average": load, "ok": ok}
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rate_limits", description=__doc__)
    runs = {"slack": slack, "retry_after": retry_after}
    parser.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(runs))
    parser.add_argument("--seconds", type=int, default=300, help="of each run of `slack`")
    parser.add_argument("--seed", type=int, default=1, help="of the random times to wait")
    asked = parser.parse_args()
    if unknown := set(asked.runs) - runs.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(runs)}")
    for name in asked.runs or runs:
        asyncio.run(runs[name](asked))


if __name__ == "__main__":
    main()
