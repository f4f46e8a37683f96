"""A `firelater up` whose processes tests may kill, and its rows in the database."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg
import httpx

from settings import Settings
from tests.service import ENDED, Service, Tenant, new_tenant
from tests.until import until
from tests.usual_ports import leave_usual_ports

Name = Literal["api", "worker", "postgres", "temporal", "s3"]
_OURS = {name.upper() for name in Settings.model_fields}


@dataclass(frozen=True, slots=True)
class Stack:
    """The running processes, as the ready file tells of them, and the service that they are."""

    ready_file: Path
    service: Service
    environment: dict[str, str]

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.ready_file.read_text())
        return told

    def pids(self, name: Name) -> list[int]:
        """The processes as they are now; a restart changes them."""
        pids = self.told["pids"]
        found: list[int] = pids["workers"] if name == "worker" else [pids[name]]
        return found

    def send(self, name: Name, number: signal.Signals = signal.SIGKILL, which: int = 0) -> int:
        """Send a signal to one of the processes; its process id."""
        pid = self.pids(name)[which]
        os.kill(pid, number)
        return pid

    async def replaced(self, name: Name, pid: int) -> None:
        """Wait until the supervisor has started another process in its place."""
        await until(lambda: pid not in self.pids(name))

    async def answering(self) -> None:
        """Wait until the API says that it, PostgreSQL and Temporal can be used."""

        async def is_ready() -> bool:
            with suppress(httpx.TransportError):
                return (await self.service.http.get("/readyz")).is_success
            return False

        await until(is_ready)

    async def tenant(self) -> Tenant:
        return await new_tenant(self.service)

    @asynccontextmanager
    async def second_worker(self) -> AsyncIterator[Process]:
        """A further worker for a while, started as the supervisor starts them."""
        command = (sys.executable, "-P", "-m", "worker")
        process = await asyncio.create_subprocess_exec(*command, env=self.environment)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@asynccontextmanager
async def running(
    data_dir: Path, workers: int = 1, storage: Literal["local", "s3"] = "local", **settings: str
) -> AsyncIterator[Stack]:
    """Start the service on data of its own; stop it afterwards. `settings`: of its environment."""
    leave_usual_ports(data_dir)
    ready_file = data_dir / "ready.json"
    command = [sys.executable, "-m", "cli", "up", "--workers", str(workers), "--storage", storage]
    command += ["--data-dir", str(data_dir), "--ready-file", str(ready_file)]
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    # A stopped worker swallows what its open polls are given: with one slot, taken by what it was
    # doing, it has none for long activities.
    environment |= {"IMPORT_SLOTS": "1", **settings}
    up = await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL)
    try:
        await until(lambda: ready_file.exists() or up.returncode is not None)
        assert up.returncode is None, "the service did not start; it says why above"
        told = json.loads(ready_file.read_text())
        async with httpx.AsyncClient(base_url=told["api"], timeout=90, trust_env=False) as http:
            service = _service(told, http, data_dir, settings.get("EGRESS_ALLOW", ""))
            yield Stack(ready_file, service, _of_worker(told, environment))
    finally:
        if up.returncode is None:
            up.terminate()
        await up.wait()


def _service(told: dict[str, Any], http: httpx.AsyncClient, data_dir: Path, allow: str) -> Service:
    key = Path(told["admin_key_file"]).read_text().strip()
    settings = Settings(local_storage_dir=data_dir / "storage", egress_allow=allow)
    return Service(settings, http, key, told["postgres"])


def _of_worker(told: dict[str, Any], environment: dict[str, str]) -> dict[str, str]:
    data_dir = Path(told["admin_key_file"]).parent
    return {
        **environment,
        "DATABASE_URL": told["postgres"],
        "TEMPORAL_ADDRESS": told["temporal"],
        "LOCAL_STORAGE_DIR": str(data_dir / "storage"),
        "SECRETS_KEYRING_FILE": str(data_dir / "secrets.keyring"),
    }


async def ended(tenant: Tenant, job_id: str) -> dict[str, Any]:
    """The job once it has ended; the API and the database may be away meanwhile."""
    async with asyncio.timeout(120):
        while True:
            with suppress(httpx.TransportError):
                response = await tenant.get(f"/v1/migration/{job_id}")
                job: dict[str, Any] = response.json().get("job", {})
                if job.get("status") in ENDED:
                    return job
            await asyncio.sleep(0.05)


async def started(tenant: Tenant, content: bytes, **options: Any) -> str:
    """Upload and execute; the id of the job, which imports from now on."""
    response = await tenant.upload(content)
    assert response.status_code == 201, response.text
    job_id: str = response.json()["job"]["id"]
    response = await tenant.post(f"/v1/migration/{job_id}/execute", options)
    assert response.status_code == 202, response.text
    return job_id


@dataclass(frozen=True, slots=True)
class Rows:
    """The imported rows: their number, the number of their ids, and a digest of the content."""

    rows: int
    ids: int
    digest: str


async def rows(tenant: Tenant) -> Rows:
    """The figures in which a disturbed import must equal an undisturbed one."""
    [found] = await tenant.sql(
        "select count(*), count(distinct source_id), md5(coalesce(string_agg("
        "concat_ws(',', source_id, source_row, content_hash), ';' order by source_id), ''))"
        " from incidents"
    )
    return Rows(*found)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A job's ledger: the batches that are in with their new rows, and how often more one was
    begun."""

    committed: int
    inserted: int
    redone: int


async def ledger(tenant: Tenant, job_id: str) -> Ledger:
    [found] = await tenant.sql(
        "select count(committed_at), coalesce(sum(inserted), 0)::int,"
        " coalesce(sum(attempts) - count(*), 0)::int from import_chunks where job_id = $1",
        job_id,
    )
    return Ledger(*found)


async def until_committed(tenant: Tenant, job_id: str, batch: int) -> None:
    """Wait until that many batches are in, over one connection, so as to look often."""
    connection = await asyncpg.connect(tenant.service.dsn)
    query = (
        f"select count(*) >= $2 from {tenant.id.schema}.import_chunks"
        " where job_id = $1 and committed_at is not null"
    )
    try:
        await until(lambda: connection.fetchval(query, job_id, batch))
    finally:
        await connection.close()
