"""One request of 1,000 notifications to three signed webhooks, compared with a loop that only signs
and sends."""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import time
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.peer_environment import installed
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line, spread
from benchmarks.sinking import SECRET, Sink, connect, event, sunk
from benchmarks.stack import Tenant

_NOTIFICATIONS = 1_000
_PATHS = ("a", "b", "c")
_AT_ONCE = 8  # for each webhook; the service has as many in flight by default
_APPRISE = "apprise==2.3.0"
_PEER = Path(__file__).with_name("apprise_fanout.py")
_KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


def fanout(plan: Plan) -> Line:
    """Seconds from the POST until the API shows all deliveries as delivered, and those of the bare
    loop; both take turns."""
    count = plan.rows or _NOTIFICATIONS
    ours: list[float] = []
    bare: list[float] = []
    with sunk() as (running, sink):
        for _ in range(plan.repeat + 1):
            ours.append(_ours(running.new_tenant(), sink, count))
            bare.append(asyncio.run(_bare(sink, count)))
    # The first run of each only warms connections and caches.
    ours, bare = ours[1:], bare[1:]
    rate = count * len(_PATHS) / median(ours)
    figures = [
        Figure("ratio_to_bare", median(bare) / median(ours), 0.25, "at_least"),
        Figure("deliveries_per_s", rate, 1_500, "at_least"),
    ]
    details = {"notifications": count, "ours_s": spread(ours), "bare_s": spread(bare)}
    return Line("fanout", figures, details)


def peer_apprise(plan: Plan) -> Line:
    """The same events sent by Apprise, which records and retries nothing. Raises LeftOut if Apprise
    cannot be installed."""
    python, count = installed(plan.cache / "apprise", _APPRISE), plan.rows or _NOTIFICATIONS
    ours, theirs = [], []
    with sunk() as (running, sink):
        urls = [f"{sink.url.replace('http', 'json', 1)}/{path}" for path in _PATHS]
        command = [str(python), "-P", str(_PEER), str(count), *urls]
        for _ in range(plan.repeat):
            ours.append(_ours(running.new_tenant(), sink, count))
            ran = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            theirs.append(float(ran.stdout))
    figures = [
        Figure("apprise_ratio", median(theirs) / median(ours)),
        Figure("apprise_per_s", count * len(_PATHS) / median(theirs)),
    ]
    details = {"ours_s": spread(ours), "apprise_s": spread(theirs), "apprise": _APPRISE}
    return Line("peer_apprise", figures, details)


def _ours(tenant: Tenant, sink: Sink, count: int) -> float:
    connect(tenant, sink, *_PATHS)
    before = len(sink.arrivals())
    body = [event(number) for number in range(count)]
    started = time.perf_counter()
    accepted = tenant.api.post("/v1/notifications", body)
    query = {"workflowId": accepted["workflowId"], "limit": 1_000}
    while not _is_over(tenant, query):
        time.sleep(0.02)
    took = time.perf_counter() - started
    shown = tenant.api.get("/v1/notifications", **query)["data"]
    done = [each["status"] for one in shown for each in one["deliveries"]]
    assert done == ["delivered"] * count * len(_PATHS)
    arrived = {(each.path, each.id) for each in sink.arrivals(before)}
    assert len(arrived) == count * len(_PATHS), f"{len(arrived)} deliveries arrived"
    return took


def _is_over(tenant: Tenant, query: dict[str, object]) -> bool:
    """Whether the API shows delivered deliveries of the request, and no open ones."""
    return all(
        not tenant.api.get("/v1/notifications", **query | {"status": status, "limit": 1})["data"]
        for status in ("pending", "sending", "retrying")
    ) and bool(
        tenant.api.get("/v1/notifications", **query | {"status": "delivered", "limit": 1})["data"]
    )


async def _bare(sink: Sink, count: int) -> float:
    """Sign and send the same events with aiohttp, without any record; seconds."""
    events = iter([(path, event(number)) for number in range(count) for path in _PATHS])

    async def one_after_another(session: aiohttp.ClientSession) -> None:
        for path, each in events:
            body = json.dumps({"type": each["eventType"], "data": each}).encode()
            id, at = f"msg_{time.time_ns()}", str(int(time.time()))
            signed = hmac.digest(_KEY, f"{id}.{at}.".encode() + body, hashlib.sha256)
            signature = f"v1,{base64.b64encode(signed).decode()}"
            headers = {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature}
            async with session.post(f"{sink.url}/{path}", data=body, headers=headers) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        started = time.perf_counter()
        senders = (one_after_another(session) for _ in range(_AT_ONCE * len(_PATHS)))
        await asyncio.gather(*senders)
        return time.perf_counter() - started
