"""Liveness, readiness, and answers while a server is down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import ServiceClient

from api.app import create_app
from api.context import Context
from storage.objects.local import LocalStore
from storage.postgres.database import Database
from tests.api.refusing import refusing
from tests.service import Service, Tenant
from workflows.connection import connect

NOWHERE = "127.0.0.1:1"
TEMPLATE = {
    "name": "ours",
    "sourceSystem": "generic_csv",
    "entityType": "incident",
    "mapping": {"fieldMappings": []},
}
CSV = b"number,title,status,priority\nINC1,Printer on fire,New,1\n"


@pytest.fixture
async def up(service: Service) -> AsyncIterator[Context]:
    """The connections of an API whose servers all run."""
    app = create_app(service.settings)
    async with app.router.lifespan_context(app):
        yield app.state.context


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(2**16):
        writer.write(piece)
    writer.close()


async def lost_temporal(context: Context) -> Context:
    """A connection to Temporal that worked, and then the server went away."""
    host, _, port = context.settings.temporal_address.rpartition(":")
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(host, int(port))
        writers.extend((writer, ahead))
        await asyncio.gather(_pass_on(reader, ahead), _pass_on(behind, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    temporal = await connect(address, context.settings.temporal_namespace)
    server.close()
    for each in writers:
        each.close()
    return replace(context, temporal=temporal)


@asynccontextmanager
async def client(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(context.settings)
    app.state.context = context
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60) as http:
        yield http


async def without_postgres(context: Context) -> Context:
    return replace(context, database=Database(f"postgresql://nobody@{NOWHERE}/none"))


async def without_temporal(context: Context) -> Context:
    return replace(context, temporal=await Client.connect(NOWHERE, lazy=True))


async def without_storage(context: Context) -> Context:
    return replace(context, store=LocalStore(Path("/dev/null/nowhere")))


DOWN = {"postgres": without_postgres, "temporal": without_temporal, "storage": without_storage}


async def test_alive(service: Service) -> None:
    assert (await service.http.get("/healthz")).json() == {"status": "ok"}


async def test_ready(service: Service) -> None:
    response = await service.http.get("/readyz")
    assert response.status_code == 200
    assert response.json() == dict.fromkeys(("status", *DOWN), "ok")


@pytest.mark.parametrize("down", DOWN)
async def test_readiness_names_the_server_that_is_down(up: Context, down: str) -> None:
    async with client(await DOWN[down](up)) as http:
        response = await http.get("/readyz")
    assert response.status_code == 503
    states = response.json()
    assert states.pop("status") == "unavailable"
    assert states.pop(down).startswith("unavailable")
    assert set(states.values()) == {"ok"}
    assert (await alive_without(up, down)).status_code == 200


async def test_a_temporal_that_says_it_cannot_serve_is_not_ready(
    up: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_serving(_: ServiceClient) -> bool:
        return False

    monkeypatch.setattr(ServiceClient, "check_health", not_serving)
    async with client(up) as http:
        response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json()["temporal"] == "unavailable (NotServing)"


async def alive_without(up: Context, down: str) -> httpx.Response:
    async with client(await DOWN[down](up)) as http:
        return await http.get("/healthz")


def unavailable(response: httpx.Response, names: str) -> None:
    body = response.json()
    assert (response.status_code, body["code"]) == (503, "unavailable")
    assert response.headers["retry-after"]
    assert names in body["detail"]
    assert not any(word in response.text for word in ("127.0.0.1", "nobody", "/dev/null"))


async def upload(http: httpx.AsyncClient, tenant: Tenant) -> httpx.Response:
    return await http.post(
        "/v1/migration/upload",
        data={"sourceSystem": "generic_csv", "entityType": "incident", "wait": "0"},
        files={"file": ("a.csv", CSV)},
        headers=tenant.headers,
    )


async def test_without_postgres_a_client_is_told_to_come_again(up: Context, tenant: Tenant) -> None:
    async with client(await without_postgres(up)) as http:
        unavailable(await http.get("/v1/migration", headers=tenant.headers), "")
        unavailable(await upload(http, tenant), "")
    assert tenant.stored_files() == []


async def test_without_storage_an_upload_comes_again(up: Context, tenant: Tenant) -> None:
    async with client(await without_storage(up)) as http:
        unavailable(await upload(http, tenant), "object storage")
    assert (await tenant.get("/v1/migration")).json()["data"] == []


async def test_without_temporal_an_upload_is_taken_and_kept(up: Context, tenant: Tenant) -> None:
    async with client(await lost_temporal(up)) as http:
        response = await upload(http, tenant)
    assert (response.status_code, response.json()["job"]["status"]) == (202, "pending")
    assert tenant.stored_files() != []


async def test_without_temporal_a_job_cannot_be_steered(up: Context, tenant: Tenant) -> None:
    job = (await tenant.upload(CSV)).json()["job"]
    async with client(await lost_temporal(up)) as http:
        path = f"/v1/migration/{job['id']}/cancel"
        unavailable(await http.post(path, headers=tenant.headers), "Temporal")


async def test_a_busy_pool_is_no_fault_of_the_client(
    up: Context, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tenant.service.dsn, pool_size=1)
    monkeypatch.setattr(database.engine.sync_engine.pool, "_timeout", 0.05)
    async with client(replace(up, database=database)) as http, database.anonymous():
        unavailable(await http.get("/v1/migration", headers=tenant.headers), "PostgreSQL")
    await database.close()


async def test_a_fault_of_ours_is_a_problem_without_details(
    up: Context, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("secret detail")

    monkeypatch.setattr("api.migration.jobs.shown_jobs", broken)
    async with client(up) as http:
        response = await http.get("/v1/migration", headers=tenant.headers)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text


async def test_metrics_count_requests_by_route(tenant: Tenant) -> None:
    async def count() -> float:
        text = (await tenant.service.http.get("/metrics")).text
        line = 'firelater_http_requests_total{method="GET",route="/v1/migration",status="200"} '
        found = [each for each in text.splitlines() if each.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0.0

    before = await count()
    await tenant.get("/v1/migration")
    assert await count() == before + 1
    unknown = await tenant.service.http.get(f"/{tenant.slug}")
    assert unknown.status_code == 404
    assert tenant.slug not in (await tenant.service.http.get("/metrics")).text


async def test_an_invented_method_gets_no_metric_of_its_own(tenant: Tenant) -> None:
    invented = f"BREW{tenant.slug.replace('-', '').upper()}"
    assert (await tenant.service.http.request(invented, "/v1/migration")).status_code == 405
    text = (await tenant.service.http.get("/metrics")).text
    assert invented not in text
    assert 'firelater_http_requests_total{method="other"' in text


async def test_an_entry_of_egress_allow_that_is_none_stops_the_start(service: Service) -> None:
    settings = service.settings.model_copy(update={"egress_allow": "0.0.0.0/0:443"})
    app = create_app(settings)
    with pytest.raises(ValueError, match=r"EGRESS_ALLOW: .* is too wide"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize("state", ["40001", "40P01", "40003", "55P03", "55006", "53300", "57014"])
async def test_a_write_that_another_hinders_comes_again(
    service: Service, tenant: Tenant, state: str
) -> None:
    """A deadlock or an unavailable lock is no fault of the service or the caller: 503."""
    async with refusing(service, tenant, "migration_mappings", "insert", state):
        unavailable(await tenant.post("/v1/migration/templates", TEMPLATE), "try again")
    assert (await tenant.post("/v1/migration/templates", TEMPLATE)).status_code == 201


@pytest.mark.parametrize("state", ["42501", "0A000", "XX000"])
async def test_other_errors_of_the_database_are_ours(
    service: Service, tenant: Tenant, state: str
) -> None:
    async with refusing(service, tenant, "migration_mappings", "insert", state):
        response = await tenant.post("/v1/migration/templates", TEMPLATE)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
