"""A real API that is told to stop stops at once, although clients are connected."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI

from api.server import Server
from embedded.ports import Ports
from tests.api.refusing import refusing
from tests.service import Service, Tenant

ROOT = Path(__file__).resolve().parents[2]
CSV = b"number,title,status,priority\nINC1,Printer on fire,New,1\n"
SOON = 15.0  # seconds; the grace of uvicorn is 30


@asynccontextmanager
async def a_process(service: Service, port: int) -> AsyncIterator[tuple[Process, str]]:
    """`python -m api` on the run's servers, and where it listens."""
    settings = service.settings
    told = {
        "DATABASE_URL": service.dsn,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "LOCAL_STORAGE_DIR": str(settings.local_storage_dir),
        "ADMIN_KEY_FILE": str(settings.admin_key_file),
        "SECRETS_KEYRING_FILE": str(settings.secrets_keyring_file),
        "API_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api", cwd=ROOT, env=os.environ | told
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=url) as http:
            while not await answers(http):
                assert process.returncode is None, "it did not start"
                await asyncio.sleep(0.1)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def ended(process: Process) -> int:
    """Tell it to end; its exit code."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(SOON):
        return await process.wait()


async def test_live_views_end_and_say_so(service: Service, tenant: Tenant, ports: Ports) -> None:
    job = (await tenant.upload(CSV)).json()["job"]
    path = f"/v1/migration/{job['id']}/events"
    async with (
        a_process(service, ports.take("an API of its own", 0)) as (process, url),
        httpx.AsyncClient(base_url=url, headers=tenant.headers, timeout=60) as http,
        http.stream("GET", path) as first,
        http.stream("GET", path) as second,
    ):
        streams = [each.aiter_lines() for each in (first, second)]
        assert [await anext(lines) for lines in streams] == ["event: progress"] * 2
        assert await ended(process) in (0, -signal.SIGTERM)
        for lines in streams:  # to their end, which is a proper one
            rest = [line async for line in lines]
            assert ": this server restarts; connect again" in rest
            assert "event: end" not in rest


async def test_a_waiting_upload_is_answered(service: Service, tenant: Tenant, ports: Ports) -> None:
    """With the job as it is, which goes on without this API."""
    form = {"sourceSystem": "generic_csv", "entityType": "incident", "wait": "60"}
    async with (
        a_process(service, ports.take("another API of its own", 0)) as (process, url),
        httpx.AsyncClient(base_url=url, headers=tenant.headers, timeout=90) as http,
        refusing(service, tenant, "migration_jobs", "update", "55P03"),  # so it stays pending
    ):
        upload = asyncio.create_task(
            http.post("/v1/migration/upload", data=form, files={"file": ("a.csv", CSV)})
        )
        while not (jobs := (await tenant.get("/v1/migration")).json()["data"]):
            await asyncio.sleep(0.05)
        code = await ended(process)
        response = await upload
    assert code in (0, -signal.SIGTERM)
    assert (response.status_code, response.json()["job"]["status"]) == (202, "pending")
    assert (await tenant.settled(jobs[0]["id"], "preview"))["status"] == "preview"


def test_the_server_closes_no_idle_connection_before_its_clients_do() -> None:
    assert Server(FastAPI()).config.timeout_keep_alive > 60
