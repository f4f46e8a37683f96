"""Runs a service with a sink (benchmarks/sink.py) that it may send to, and connects tenants to
it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from benchmarks.stack import Stack, Tenant, stack
from receivers.webhook import EXAMPLE_SECRET

SECRET = EXAMPLE_SECRET


class Arrival(NamedTuple):
    """A delivery that arrived at the sink; `at`: when its headers were there (time.time())."""

    path: str
    id: str
    entity: str
    at: float


@dataclass(frozen=True, slots=True)
class Sink:
    """A client of the sink process. Its times are of this machine's clock, so they compare with
    ours."""

    url: str
    http: httpx.Client

    def arrivals(self, since: int = 0) -> list[Arrival]:
        found = self.http.get("/arrivals", params={"from": since}).json()
        return [Arrival(*each) for each in found]

    def hang(self, path: str) -> None:
        self.http.put(f"/hang/{path}").raise_for_status()

    def release(self, path: str) -> None:
        self.http.delete(f"/hang/{path}").raise_for_status()


@contextmanager
def sunk() -> Iterator[tuple[Stack, Sink]]:
    """A running service with two workers, and a sink that it may send to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink", str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        with (
            httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
            stack(2, EGRESS_ALLOW=f"127.0.0.1/32:{port}") as running,
        ):
            _wait(http)
            yield running, Sink(url, http)
    finally:
        process.terminate()
        process.wait(30)


def _wait(http: httpx.Client) -> None:
    while True:
        try:
            http.get("/arrivals")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return


def connect(tenant: Tenant, sink: Sink, *paths: str) -> None:
    """Give the tenant a signed webhook, and a default channel, for each path of the sink."""
    for path in paths:
        body: dict[str, Any] = {"name": path, "type": "generic_webhook"}
        config = {"url": f"{sink.url}/{path}", "secret": SECRET}
        made = tenant.api.post("/v1/integrations", body | {"config": config})["data"]["id"]
        channel = {"integration_id": made, "is_default": True}
        tenant.api.post("/v1/notification-channels", body | channel)


def event(number: int, **changed: Any) -> dict[str, Any]:
    """An ordinary event; `changed` replaces fields."""
    return {
        "eventType": "incident.created",
        "title": f"Disk of host {number} is nearly full",
        "body": "92 % of /var is used; it was 85 % an hour ago. Rotate the logs or add space.",
        "entityType": "incident",
        "entityId": f"INC{number:07}",
        "metadata": {"severity": "warning", "url": f"https://firelater.example/{number}"},
    } | changed
