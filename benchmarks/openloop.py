"""Posts events at a constant rate, without waiting for earlier answers (an open loop), and measures
when they arrive."""

import asyncio
import time
from dataclasses import dataclass

import aiohttp

from benchmarks.sinking import Sink, event
from benchmarks.stack import Tenant


@dataclass(frozen=True, slots=True)
class Load:
    """`rate` single notifications a second, for `seconds`, each to `channels` webhooks."""

    rate: float
    seconds: float
    channels: int

    @property
    def count(self) -> int:
        return int(self.rate * self.seconds)


def latencies(tenant: Tenant, sink: Sink, load: Load, name: str) -> list[float]:
    """Post the load; the seconds from each POST to each arrival of its event, sorted. Raises
    RuntimeError if a delivery has not arrived after a minute."""
    before = len(sink.arrivals())
    posted = asyncio.run(_post(tenant, load, name))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        arrived = [each for each in sink.arrivals(before) if each.entity in posted]
        if len(arrived) >= load.count * load.channels:
            return sorted(each.at - posted[each.entity] for each in arrived)
        time.sleep(0.2)
    raise RuntimeError(f"{len(arrived)} of {load.count * load.channels} deliveries arrived")


def percentile(ordered: list[float], share: float) -> float:
    """The percentile (`share` is 0.99 for p99) of sorted seconds, in milliseconds."""
    return 1_000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def _post(tenant: Tenant, load: Load, name: str) -> dict[str, float]:
    """Post the load; the time (time.time()) at which the event of each entity was posted."""
    posted: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {tenant.key}"}
    began = time.perf_counter()

    async def one(number: int) -> None:
        entity = f"{name}-{number}"
        await asyncio.sleep(max(number / load.rate - (time.perf_counter() - began), 0))
        posted[entity] = time.time()
        body = event(number, entityId=entity)
        async with session.post(f"{tenant.url}/v1/notifications", json=body) as answer:
            assert answer.status == 202, await answer.text()

    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(one(number) for number in range(load.count)))
    return posted
