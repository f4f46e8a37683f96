"""The charset of an upload, and the tenant's storage quota."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import asyncpg
import httpx
import pytest

from api.app import create_app
from tests.blocked import until_blocked
from tests.service import Service, Tenant

CSV = "number,title,status,priority\nINC1,プリンタ,New,1\n"

Upload = Callable[[], Coroutine[Any, Any, httpx.Response]]


@pytest.fixture
async def upload(service: Service, tenant: Tenant) -> AsyncIterator[Upload]:
    """Uploads CSV for a tenant whose quota has room for one file."""
    quota = len(CSV.encode()) + 10
    app = create_app(service.settings.model_copy(update={"tenant_quota_bytes": quota}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
            fields = {"sourceSystem": "generic_csv", "entityType": "incident", "wait": "60"}

            async def upload() -> httpx.Response:
                files = {"file": ("a.csv", CSV.encode())}
                path = "/v1/migration/upload"
                return await http.post(path, data=fields, files=files, headers=tenant.headers)

            yield upload


async def test_the_declared_charset_decides(tenant: Tenant) -> None:
    response = await tenant.service.http.post(
        "/v1/migration/upload",
        data={"sourceSystem": "generic_csv", "entityType": "incident", "wait": "60"},
        files={"file": ("a.csv", CSV.encode("shift_jis"), "text/csv; charset=Shift_JIS")},
        headers=tenant.headers,
    )
    preview = response.json()["preview"]
    assert preview["encoding"] == "shift_jis"
    assert preview["sampleRecords"][0]["mapped"]["title"] == "プリンタ"


async def test_unfinished_jobs_use_up_the_quota(tenant: Tenant, upload: Upload) -> None:
    first = await upload()
    assert first.status_code == 201
    refused = await upload()
    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
    assert (refused.json()["limit"], refused.json()["actual"]) == (10, len(CSV.encode()))
    await tenant.execute(first.json()["job"]["id"])
    assert (await upload()).status_code == 201


async def test_so_do_those_that_come_at_the_same_time(tenant: Tenant, upload: Upload) -> None:
    holder = await asyncpg.connect(tenant.service.dsn)
    async with holder.transaction():  # until the files are stored and nothing is recorded of them
        await holder.execute("lock table public.migration_jobs in share mode")
        coming = [asyncio.create_task(upload()) for _ in range(3)]
        await until_blocked(tenant.sql, holder.get_server_pid(), count=3)
    await holder.close()
    answers = [await each for each in coming]
    assert sorted(each.status_code for each in answers) == [201, 403, 403]
    refused = [each.json() for each in answers if each.status_code == 403]
    assert {(each["code"], each["limit"]) for each in refused} == {("quota_exceeded", 10)}
    assert len({path.name for path in tenant.stored_files() if path.suffix == ".csv"}) == 1
