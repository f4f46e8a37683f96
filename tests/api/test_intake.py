"""What an upload brings with it, and what the tenant may keep."""

import httpx

from api.app import create_app
from tests.service import Service, Tenant, new_tenant

CSV = "number,title,status,priority\nINC1,プリンタ,New,1\n"


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


async def test_unfinished_jobs_use_up_the_quota(service: Service) -> None:
    tenant = await new_tenant(service)
    content = CSV.encode()
    quota = len(content) + 10
    app = create_app(service.settings.model_copy(update={"tenant_quota_bytes": quota}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
            fields = {"sourceSystem": "generic_csv", "entityType": "incident", "wait": "60"}

            async def upload() -> httpx.Response:
                files = {"file": ("a.csv", content)}
                path = "/v1/migration/upload"
                return await http.post(path, data=fields, files=files, headers=tenant.headers)

            first = await upload()
            assert first.status_code == 201
            refused = await upload()
            assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
            assert (refused.json()["limit"], refused.json()["actual"]) == (10, len(content))
            await tenant.execute(first.json()["job"]["id"])
            assert (await upload()).status_code == 201
