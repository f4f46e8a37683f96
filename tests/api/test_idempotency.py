"""`Idempotency-Key`: the same request twice has one effect and one answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from api.errors import ApiError
from api.idempotency import IdempotentRequest
from storage.postgres.database import Database
from tests.blocked import until_blocked
from tests.service import Service, Tenant

_BUSY_SECONDS = 0.5  # many times the pool's time-out for a connection there
CSV = b"number,title,status,priority\nINC1,Printer on fire,New,1\n"
BAD = b'number,title\n1,"never closed\n'
TEMPLATE = {
    "name": "ours",
    "sourceSystem": "generic_csv",
    "entityType": "incident",
    "mapping": {"fieldMappings": [{"sourceField": "title", "targetField": "title"}]},
}


async def upload(
    tenant: Tenant, content: bytes = CSV, key: str = "once", **fields: Any
) -> httpx.Response:
    return await tenant.upload(content, headers={"Idempotency-Key": key}, **fields)


async def post(tenant: Tenant, path: str, body: Any, key: str = "once") -> httpx.Response:
    headers = tenant.headers | {"Idempotency-Key": key}
    return await tenant.service.http.post(path, json=body, headers=headers)


@pytest.fixture
async def database(service: Service) -> AsyncIterator[Database]:
    assert service.settings.database_url is not None
    opened = Database(service.settings.database_url.get_secret_value(), pool_size=2)
    yield opened
    await opened.close()


async def jobs(tenant: Tenant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await tenant.get("/v1/migration")).json()["data"]
    return found


class TestUpload:
    async def test_is_answered_again_though_the_boundary_is_another(self, tenant: Tenant) -> None:
        first, second = await upload(tenant), await upload(tenant)
        assert first.request.headers["content-type"] != second.request.headers["content-type"]
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
        assert len(await jobs(tenant)) == 1
        assert len({path.name for path in tenant.stored_files() if path.suffix == ".csv"}) == 1

    async def test_how_long_to_wait_does_not_make_it_another(self, tenant: Tenant) -> None:
        await upload(tenant)
        assert (await upload(tenant, wait=0)).headers["idempotency-replayed"] == "true"

    @pytest.mark.parametrize(
        "other", [{"content": CSV + b"\n"}, {"entityType": "request"}, {"sourceInstance": "b"}]
    )
    async def test_another_request_under_the_key_is_refused(
        self, tenant: Tenant, other: dict[str, Any]
    ) -> None:
        await upload(tenant)
        stored = tenant.stored_files()
        response = await upload(tenant, **other)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
        assert len(await jobs(tenant)) == 1
        assert tenant.stored_files() == stored

    async def test_twenty_at_once_make_one_job(self, tenant: Tenant) -> None:
        responses = await asyncio.gather(*(upload(tenant) for _ in range(20)))
        (job,) = await jobs(tenant)
        answered = [each for each in responses if each.status_code in (201, 202)]
        refused = [each for each in responses if each not in answered]
        assert {each.json()["job"]["id"] for each in answered} == {job["id"]}
        assert {each.json()["code"] for each in refused} <= {"idempotency_in_flight"}
        (made,) = (each for each in answered if "idempotency-replayed" not in each.headers)
        assert (await upload(tenant)).json() == made.json()

    async def test_a_file_that_fails_gives_the_key_back(self, tenant: Tenant) -> None:
        failed = await upload(tenant, BAD)
        assert failed.json()["code"] == "csv_unclosed_quote"
        assert (await upload(tenant)).status_code == 201

    @pytest.mark.parametrize("wrong", [{"colour": "red"}, {"sha256": "0" * 64}, {"content": b""}])
    async def test_a_refused_one_gives_the_key_back(
        self, tenant: Tenant, wrong: dict[str, Any]
    ) -> None:
        assert (await upload(tenant, **wrong)).status_code == 422
        assert (await upload(tenant)).status_code == 201

    async def test_the_keys_of_tenants_do_not_meet(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        first, second = await upload(tenant), await upload(other_tenant)
        assert first.json()["job"]["id"] != second.json()["job"]["id"]

    @pytest.mark.parametrize("key", ["", "k" * 256])
    async def test_a_key_of_no_length_or_too_long_is_refused(
        self, tenant: Tenant, key: str
    ) -> None:
        assert (await upload(tenant, key=key)).status_code == 422


class TestTemplate:
    async def test_is_made_once(self, tenant: Tenant) -> None:
        first = await post(tenant, "/v1/migration/templates", TEMPLATE)
        second = await post(tenant, "/v1/migration/templates", TEMPLATE)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        other = await post(tenant, "/v1/migration/templates", TEMPLATE | {"name": "other"})
        assert other.json()["code"] == "idempotency_mismatch"

    async def test_a_name_that_is_taken_gives_the_key_back(self, tenant: Tenant) -> None:
        await tenant.post("/v1/migration/templates", TEMPLATE)
        refused = await post(tenant, "/v1/migration/templates", TEMPLATE)
        assert refused.json()["code"] == "name_taken"
        made = await post(tenant, "/v1/migration/templates", TEMPLATE | {"name": "free"})
        assert made.status_code == 201

    async def test_the_order_of_members_does_not_make_it_another(self, tenant: Tenant) -> None:
        await post(tenant, "/v1/migration/templates", TEMPLATE)
        turned = dict(reversed(TEMPLATE.items()))
        again = await post(tenant, "/v1/migration/templates", turned)
        assert again.headers["idempotency-replayed"] == "true"


class TestIntegration:
    """A change of its secret makes it another request, though no secret is kept."""

    def body(self, key: str) -> dict[str, Any]:
        return {"name": "ours", "type": "pagerduty", "config": {"integrationKey": key * 32}}

    async def test_is_made_once(self, tenant: Tenant) -> None:
        first = await post(tenant, "/v1/integrations", self.body("a"))
        second = await post(tenant, "/v1/integrations", self.body("a"))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        other = await post(tenant, "/v1/integrations", self.body("b"))
        assert other.json()["code"] == "idempotency_mismatch"
        assert len((await tenant.get("/v1/integrations")).json()["data"]) == 1

    async def test_one_that_is_refused_gives_the_key_back(self, tenant: Tenant) -> None:
        refused = await post(tenant, "/v1/integrations", self.body("-"))
        assert refused.json()["code"] == "config_invalid"
        assert (await post(tenant, "/v1/integrations", self.body("a"))).status_code == 201

    async def test_a_channel_is_made_once(self, tenant: Tenant) -> None:
        path, body = "/v1/notification-channels", {"name": "ours", "type": "pagerduty"}
        first, second = [await post(tenant, path, body) for _ in range(2)]
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        other = await post(tenant, path, body | {"is_default": True})
        assert other.json()["code"] == "idempotency_mismatch"


class TestAtOnce:
    """Requests at the same time create one thing, and none waits for the first."""

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/migration/templates", TEMPLATE),
            ("/v1/notification-channels", {"name": "ours", "type": "pagerduty"}),
            ("/v1/api-keys", {"name": "ours", "role": "viewer"}),
            (
                "/v1/integrations",
                {"name": "ours", "type": "pagerduty", "config": {"integrationKey": "a" * 32}},
            ),
        ],
    )
    async def test_many_make_one(self, tenant: Tenant, path: str, body: dict[str, Any]) -> None:
        before = len((await tenant.get(path)).json()["data"])
        responses = await asyncio.gather(*(post(tenant, path, body) for _ in range(10)))
        answered = [each for each in responses if each.status_code == 201]
        refused = [each for each in responses if each not in answered]
        assert {each.json()["code"] for each in refused} <= {"idempotency_in_flight"}
        assert len({each.json()["data"]["id"] for each in answered}) == 1
        assert len((await tenant.get(path)).json()["data"]) == before + 1


class TestDyingInIt:
    """A request that dies in its only transaction leaves nothing behind: the key is free."""

    @pytest.mark.parametrize(
        ("path", "body", "table"),
        [
            ("/v1/tenants", {"slug": "dies-once", "name": "x"}, "public.tenants"),
            ("/v1/api-keys", {"name": "dies", "role": "viewer"}, "public.api_keys"),
            ("/v1/migration/templates", TEMPLATE, "public.migration_mappings"),
            (
                "/v1/notification-channels",
                {
                    "name": "dies",
                    "type": "pagerduty",
                    "config": {"integrationKey": "b" * 32},
                },
                "integrations",
            ),
        ],
    )
    async def test_keeps_no_key(
        self, service: Service, tenant: Tenant, path: str, body: dict[str, Any], table: str
    ) -> None:
        key = service.admin_key if path == "/v1/tenants" else tenant.key
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"dies in {table}"}

        async def ask() -> httpx.Response:
            return await service.http.post(path, json=body, headers=headers)

        blocker = await asyncpg.connect(service.dsn)
        try:
            await blocker.execute(f"set search_path to {tenant.id.schema}, public; begin")
            await blocker.execute(f"lock table {table} in share mode")
            asked = asyncio.create_task(ask())
            mine = await blocker.fetchval("select pg_backend_pid()")
            pids = await until_blocked(tenant.sql, mine)
            kept = "select from public.idempotency_keys where key = $1"
            assert await blocker.fetch(kept, headers["Idempotency-Key"]) == []
            for pid in pids:  # as if the process were gone
                await blocker.execute("select pg_terminate_backend($1)", pid)
            assert (await asked).status_code >= 500
        finally:
            await blocker.close()
        assert (await ask()).status_code == 201


class TestLease:
    """An upload takes several transactions: its key is held while it lives, hardly longer."""

    async def reserved(self, tenant: Tenant, seconds: float) -> None:
        """The key as a request leaves it that died that long ago."""
        await tenant.sql(
            "insert into public.idempotency_keys (tenant_id, key, request_hash, created_at)"
            " values ($1, 'once', 'somebody', now() - make_interval(secs => $2))",
            *(tenant.id, seconds),
        )

    async def age(self, tenant: Tenant) -> None:
        await tenant.sql(
            "update public.idempotency_keys set created_at = now() - interval '2 minutes'"
            " where tenant_id = $1",
            tenant.id,
        )

    async def test_who_died_a_minute_ago_holds_nothing(self, tenant: Tenant) -> None:
        await self.reserved(tenant, 30)
        assert (await upload(tenant)).json()["code"] == "idempotency_in_flight"
        await tenant.sql("delete from public.idempotency_keys where tenant_id = $1", tenant.id)
        await self.reserved(tenant, 61)
        assert (await upload(tenant)).status_code == 201

    async def test_who_lives_holds_it(
        self, tenant: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.idempotency._PROLONG_SECONDS", 0.01)
        young = "select from public.idempotency_keys where tenant_id = $1 and created_at > now()"
        async with IdempotentRequest(database, tenant.id, "once").reserved():
            await self.age(tenant)
            async with asyncio.timeout(20):
                while not await tenant.sql(f"{young} - interval '30 s'", tenant.id):
                    await asyncio.sleep(0.01)
            assert (await upload(tenant)).json()["code"] == "idempotency_in_flight"

    async def test_also_after_no_connection_was_free(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.idempotency._PROLONG_SECONDS", 0.01)
        one = Database(tenant.service.dsn, pool_size=1)
        monkeypatch.setattr(one.engine.sync_engine.pool, "_timeout", 0.01)
        young = "select from public.idempotency_keys where tenant_id = $1 and created_at > now()"
        async with IdempotentRequest(one, tenant.id, "once").reserved():
            async with one.anonymous():
                await asyncio.sleep(_BUSY_SECONDS)
                await self.age(tenant)
            async with asyncio.timeout(20):
                while not await tenant.sql(f"{young} - interval '30 s'", tenant.id):
                    await asyncio.sleep(0.01)
            assert (await upload(tenant)).json()["code"] == "idempotency_in_flight"
        await one.close()

    @pytest.mark.parametrize("asked", ["the same", "otherwise"])
    async def test_who_was_taken_to_have_died_settles_nothing(
        self, tenant: Tenant, database: Database, asked: str
    ) -> None:
        """A repeated request is usually identical: then both have one hash."""
        request = IdempotentRequest(database, tenant.id, "once")
        async with request.reserved():
            await self.age(tenant)
            made = await upload(tenant)
            assert made.status_code == 201
            hashes = "select request_hash from public.idempotency_keys where tenant_id = $1"
            [[hash]] = await tenant.sql(hashes, tenant.id)
            asks = hash if asked == "the same" else "hash"
            with pytest.raises(ApiError) as refused:
                async with request.transaction() as connection:
                    await request.settle(connection, asks, 202, {})
            assert refused.value.code == "idempotency_in_flight"
        assert (await upload(tenant)).json() == made.json()


class TestSecrets:
    """An answer with a secret is repeated without it, and the secret is not kept."""

    async def stored(self, tenant: Tenant) -> str:
        rows = await tenant.sql("select k::text from public.idempotency_keys k")
        return "\n".join(row[0] for row in rows)

    async def test_of_an_api_key(self, tenant: Tenant) -> None:
        body = {"name": "x", "role": "viewer"}
        first = (await post(tenant, "/v1/api-keys", body)).json()
        second = await post(tenant, "/v1/api-keys", body)
        assert (second.status_code, second.json()) == (201, {"data": first["data"]})
        assert first["apiKey"] not in await self.stored(tenant)
        assert len((await tenant.get("/v1/api-keys")).json()["data"]) == 2
        other = await post(tenant, "/v1/api-keys", body | {"role": "admin"})
        assert other.json()["code"] == "idempotency_mismatch"

    async def test_of_a_tenant(self, service: Service, tenant: Tenant) -> None:
        async def create(slug: str) -> httpx.Response:
            return await service.http.post(
                "/v1/tenants",
                json={"slug": slug, "name": "x"},
                headers={
                    "Authorization": f"Bearer {service.admin_key}",
                    "Idempotency-Key": "new-tenant",
                },
            )

        assert (await create(tenant.slug)).json()["code"] == "slug_taken"
        first, second = (await create("only-once")).json(), await create("only-once")
        assert (second.status_code, second.json()) == (201, {"data": first["data"]})
        assert first["apiKey"] not in await self.stored(tenant)
        assert (await create("another")).json()["code"] == "idempotency_mismatch"
