"""The service under test: the real API and a real worker, on the run's servers.

Both run in the test process, so that coverage and failures are seen; tests/faults/ kills real
processes instead. Each test gets a tenant of its own.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from domain.tenant import TenantId
from embedded.files import kept_keyring
from embedded.ports import Ports
from settings import Settings

_slugs = itertools.count(1)
ENDED = {"completed", "failed", "cancelled", "rolled_back"}


@dataclass(frozen=True, slots=True)
class Service:
    """The API behind `http`, and its servers for a test to inspect."""

    settings: Settings
    http: httpx.AsyncClient
    admin_key: str
    dsn: str

    @property
    def receiver_ports(self) -> list[int]:
        """Ports at which tests may serve receivers: EGRESS_ALLOW lists them."""
        return [int(each.rpartition(":")[2]) for each in self.settings.egress_allow.split(",")]


@pytest.fixture(scope="session")
async def service(
    postgres_dsn: str,
    temporal_address: str,
    ports: Ports,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Service]:
    home = tmp_path_factory.mktemp("service")
    receivers = [ports.take(f"receiver {number}", 0) for number in range(8)]
    settings = Settings(
        database_url=await new_database(postgres_dsn, "service"),
        temporal_address=temporal_address,
        temporal_ui_url="http://temporal.invalid",
        public_url="https://firelater.invalid",
        local_storage_dir=home / "storage",
        admin_key_file=home / "bootstrap.key",
        egress_allow=",".join(f"127.0.0.1/32:{port}" for port in receivers),
        secrets_keyring_file=kept_keyring(home / "secrets.keyring"),
    )
    async with serving(settings) as running:
        yield running


@asynccontextmanager
async def serving(settings: Settings, *interceptors: Any) -> AsyncIterator[Service]:
    """The whole service in this process, on an empty database; its workers with interceptors."""
    # Imported on use: most tests need none of it, and it takes seconds.
    import worker
    from activities.notification.outbox import keep_starting
    from api.app import create_app
    from storage.tenancy.provisioning import prepare

    assert settings.database_url is not None
    dsn = settings.database_url.get_secret_value()
    await prepare(dsn, settings.admin_key_file)
    app = create_app(settings)
    async with worker.connected(settings) as (client, connections):
        config = client.config()
        config["interceptors"] = [*config["interceptors"], *interceptors]
        running = worker.workers(Client(**config), connections, settings)
        tasks = [asyncio.create_task(each.run()) for each in running]
        starting = asyncio.create_task(keep_starting(client, connections.database))
        async with app.router.lifespan_context(app), _client(app) as http:
            yield Service(settings, http, settings.admin_key_file.read_text().strip(), dsn)
        starting.cancel()
        await asyncio.gather(*(each.shutdown() for each in running))
        await asyncio.gather(*tasks)


def _client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api", timeout=90)


async def new_database(server: str, name: str) -> SecretStr:
    """The DSN of a new, empty database on the server."""
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    await connection.close()
    return SecretStr(server.rpartition("/")[0] + f"/{name}")


class Tenant:
    """A tenant's client, in the words of the HTTP API."""

    def __init__(self, service: Service, slug: str, created: dict[str, Any]) -> None:
        self.service, self.slug, self.key = service, slug, created["apiKey"]
        self.id = TenantId(created["data"]["id"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.service.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.service.http.post(path, json=body or {}, headers=self.headers)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        response = await self.service.http.patch(path, json=body, headers=self.headers)
        assert response.status_code == 200, response.text
        return response

    async def upload(
        self, content: bytes, name: str = "incidents.csv", **fields: Any
    ) -> httpx.Response:
        """Upload a file; `fields` are those of the form, and `headers` more headers."""
        headers = self.headers | fields.pop("headers", {})
        form = {"sourceSystem": "generic_csv", "entityType": "incident", "wait": "60"}
        return await self.service.http.post(
            "/v1/migration/upload",
            data=form | {key: str(value) for key, value in fields.items()},
            files={"file": (name, content)},
            headers=headers,
        )

    async def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = (await self.get(f"/v1/migration/{job_id}")).json()["job"]
        return job

    async def settled(self, job_id: str, *also: str) -> dict[str, Any]:
        """The job once it has ended, or has reached one of the statuses `also`."""
        async with asyncio.timeout(120):
            while (job := await self.job(job_id))["status"] not in ENDED | set(also):
                await asyncio.sleep(0.05)
        return job

    async def execute(self, job_id: str, **options: Any) -> dict[str, Any]:
        """Execute and wait for the end, which a failed validation or a dry run has in preview."""
        response = await self.post(f"/v1/migration/{job_id}/execute", options)
        assert response.status_code == 202, response.text
        return await self.settled(job_id, "preview")

    async def migrate(self, content: bytes, name: str = "incidents.csv", **fields: Any) -> Any:
        """Upload and execute with the default options; the job as it ended."""
        uploaded = await self.upload(content, name, **fields)
        assert uploaded.status_code == 201, uploaded.text
        return await self.execute(uploaded.json()["job"]["id"])

    async def records(self, entity: str = "incident", **query: Any) -> list[dict[str, Any]]:
        response = await self.get(f"/v1/records/{entity}", limit=1000, **query)
        rows: list[dict[str, Any]] = response.json()["data"]
        return rows

    async def errors(self, job_id: str) -> list[dict[str, Any]]:
        response = await self.get(f"/v1/migration/{job_id}/errors", limit=1000)
        rows: list[dict[str, Any]] = response.json()["data"]
        return rows

    async def skipped(self, job_id: str) -> list[dict[str, Any]]:
        response = await self.get(f"/v1/migration/{job_id}/skipped", limit=1000)
        rows: list[dict[str, Any]] = response.json()["data"]
        return rows

    def stored_files(self) -> list[Path]:
        """The files in this tenant's part of the object storage."""
        walk = os.walk(self.service.settings.local_storage_dir)  # others delete theirs meanwhile
        places = ((Path(at), names) for at, _, names in walk)
        return [at / name for at, names in places if self.slug in at.parts for name in names]

    async def run(self, script: str) -> None:
        """Run statements without parameters or answers in the tenant's own schema."""
        connection = await asyncpg.connect(self.service.dsn)
        try:
            await connection.execute(f"set search_path to {self.id.schema}, public")
            await connection.execute(script)
        finally:
            await connection.close()

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Look at, or edit, the tenant's own schema as the platform would."""
        connection = await asyncpg.connect(self.service.dsn)
        try:
            await connection.execute(f"set search_path to {self.id.schema}, public")
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()


async def new_tenant(service: Service) -> Tenant:
    slug = f"tenant-{next(_slugs)}"
    response = await service.http.post(
        "/v1/tenants",
        json={"slug": slug, "name": slug},
        headers={"Authorization": f"Bearer {service.admin_key}"},
    )
    assert response.status_code == 201, response.text
    return Tenant(service, slug, response.json())


@pytest.fixture
async def tenant(service: Service) -> AsyncIterator[Tenant]:
    """A tenant; afterwards its sends stop, as other tests use the receivers' ports."""
    tenant = await new_tenant(service)
    yield tenant
    await tenant.sql("update integrations set is_active = false")
