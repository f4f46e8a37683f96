"""Latency of single notifications to three webhooks, from the POST to the receiver."""

from benchmarks.openloop import Load, latencies, percentile
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line
from benchmarks.sinking import connect, sunk

_PATHS = ("a", "b", "c")
_CALM = Load(rate=10, seconds=30, channels=len(_PATHS))
_BUSY = Load(rate=40, seconds=60, channels=len(_PATHS))


def latency(plan: Plan) -> Line:
    """At 10 and at 40 notifications a second. They are posted at a constant rate: a late answer
    delays no later post."""
    with sunk() as (running, sink):
        tenant = running.new_tenant()
        connect(tenant, sink, *_PATHS)
        latencies(tenant, sink, Load(10, 3, len(_PATHS)), "warm")
        calm = latencies(tenant, sink, _CALM, "calm")
        busy = latencies(tenant, sink, _BUSY, "busy")
    figures = [
        Figure("at_10_p50_ms", percentile(calm, 0.5), 100),
        Figure("at_10_p99_ms", percentile(calm, 0.99), 300),
        Figure("at_40_p50_ms", percentile(busy, 0.5)),
        Figure("at_40_p99_ms", percentile(busy, 0.99), 500),
    ]
    return Line("latency", figures, {"deliveries": len(calm) + len(busy)})
