"""The API and the workers as child programs, configured by environment variables only."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from embedded.child import Program

_QUEUE = "orchestrate"
# Where to reach a server that listens at all addresses: at `::` it takes IPv6 only (asyncio).
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not bound
_PATIENCE = 40  # seconds to stop: API and workers first end what they are doing, for up to 30 s
# Makes the allocators of Python and of polars return freed memory at once. This halves a worker's
# peak memory on large imports, at the same speed.
_FRUGAL = {
    "MALLOC_ARENA_MAX": "1",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:1",
}


def api(environment: Mapping[str, str], logs: Path) -> Program:
    """The HTTP API; it is usable when `/readyz` answers 200."""
    url = api_url(environment)

    async def usable(_pid: int) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            (await client.get(f"{url}/readyz")).raise_for_status()

    log = logs / "api.log"
    return Program("api", _module("api"), log, environment, usable, stop_within=_PATIENCE)


def worker(number: int, environment: Mapping[str, str], logs: Path) -> Program:
    """One worker; it is usable when Temporal sees it poll its task queue."""
    name = f"worker-{number}"

    async def usable(pid: int) -> None:
        if f"worker@{pid}" not in await _polling(environment):
            raise LookupError(f"{name} does not poll {_QUEUE}")

    frugal = {**environment, **_FRUGAL}
    log = logs / f"{name}.log"
    return Program(name, _module("worker"), log, frugal, usable, stop_within=_PATIENCE)


def api_url(environment: Mapping[str, str]) -> str:
    """The URL at which this machine reaches the API."""
    host = environment["API_HOST"]
    host = _LOOPBACK.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{environment['API_PORT']}"


async def _polling(environment: Mapping[str, str]) -> set[str]:
    namespace = environment["TEMPORAL_NAMESPACE"]
    client = await Client.connect(environment["TEMPORAL_ADDRESS"], namespace=namespace)
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=namespace,
            task_queue=TaskQueue(name=_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return {poller.identity for poller in described.pollers}


def _module(name: str) -> tuple[str, ...]:
    # -P: Python does not look for packages in the current directory, which may have a folder named
    # `storage` or `api` that is not ours.
    return (sys.executable, "-P", "-m", name)
