"""Whether one tenant's hanging endpoint, with 20,000 queued deliveries, slows another tenant's
notifications."""

import time

from benchmarks.openloop import Load, latencies, percentile
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line
from benchmarks.sinking import connect, event, sunk

_QUEUED, _REQUEST = 20_000, 1_000
_LOAD = Load(rate=5, seconds=30, channels=1)
_HEALING_SECONDS = 600


def isolation(plan: Plan) -> Line:
    """The other tenant's p95 latency, alone and beside the hanging endpoint. Then the endpoint
    answers again, and all that was queued must arrive."""
    queued = plan.rows or _QUEUED
    with sunk() as (running, sink):
        ill, well = running.new_tenant(), running.new_tenant()
        connect(ill, sink, "ill")
        connect(well, sink, "well")
        latencies(well, sink, Load(5, 3, 1), "warm")
        alone = latencies(well, sink, _LOAD, "alone")
        sink.hang("ill")
        for first in range(0, queued, _REQUEST):
            body = [event(number) for number in range(first, first + _REQUEST)]
            ill.api.post("/v1/notifications", body)
        beside = latencies(well, sink, _LOAD, "beside")
        sink.release("ill")
        healed = time.monotonic()
        while (
            arrived := len({each.id for each in sink.arrivals() if each.path == "/ill"})
        ) < queued:
            if time.monotonic() > healed + _HEALING_SECONDS:
                break
            time.sleep(0.5)
    figures = [
        Figure("p95_ratio", percentile(beside, 0.95) / percentile(alone, 0.95), 1.5),
        Figure("arrived_share", arrived / queued, 1, "at_least"),
    ]
    details = {
        "queued": queued,
        "alone_p95_ms": round(percentile(alone, 0.95), 1),
        "beside_p95_ms": round(percentile(beside, 0.95), 1),
        "healing_s": round(time.monotonic() - healed, 1),
    }
    return Line("isolation", figures, details)
