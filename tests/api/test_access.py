"""Access to every route by every role, and the separation of tenants."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.app import create_app
from storage.postgres.database import Database
from tests.api.notification.notifying import channel, deliveries, integration, notify
from tests.service import Service, Tenant, new_tenant

UNKNOWN = "019a0000-0000-7000-8000-000000000000"
ROLES = ("platform", "admin", "operator", "viewer", "notifier")
READ, OPERATE, ADMIN = ROLES[1:4], ROLES[1:3], ROLES[1:2]
NOTIFY = (*OPERATE, "notifier")
MAPPING = {"fieldMappings": [{"sourceField": "title", "targetField": "title"}]}
TEMPLATE = {
    "name": "ours",
    "sourceSystem": "generic_csv",
    "entityType": "incident",
    "mapping": MAPPING,
}
INTEGRATION = {"name": "ours", "type": "pagerduty", "config": {"integrationKey": "0" * 32}}
CHANNEL = {"name": "ours", "type": "pagerduty"}
EVENT = {"eventType": "incident.created", "title": "Printer on fire"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a route. `body` is a valid one; `foreign` is the status that another tenant's
    (or nobody's) id has, None where the route has no id."""

    roles: tuple[str, ...]
    body: Any = None
    foreign: int | None = None


PUBLIC = Rule(ROLES)
RULES = {
    "GET /healthz": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /readyz": PUBLIC,
    "POST /v1/inbound/{integration_id}": PUBLIC,  # a vendor's signature takes the place of a key
    "POST /v1/tenants": Rule(("platform",), {"slug": "-", "name": "x"}),
    "GET /v1/api-keys": Rule(ADMIN),
    "POST /v1/api-keys": Rule(ADMIN, {"name": "ours", "role": "viewer"}),
    "DELETE /v1/api-keys/{key_id}": Rule(ADMIN, foreign=404),
    "GET /v1/migration/templates": Rule(READ),
    "POST /v1/migration/templates": Rule(OPERATE, TEMPLATE),
    "GET /v1/migration/templates/{template_id}": Rule(READ, foreign=404),
    "PUT /v1/migration/templates/{template_id}": Rule(OPERATE, TEMPLATE, foreign=404),
    "DELETE /v1/migration/templates/{template_id}": Rule(OPERATE, foreign=404),
    "POST /v1/migration/upload": Rule(OPERATE),
    "GET /v1/migration": Rule(READ),
    "GET /v1/migration/{job_id}": Rule(READ, foreign=404),
    "GET /v1/migration/{job_id}/preview": Rule(READ, foreign=404),
    "POST /v1/migration/{job_id}/preview": Rule(OPERATE, {"mapping": MAPPING}, foreign=404),
    "POST /v1/migration/{job_id}/execute": Rule(OPERATE, {}, foreign=404),
    "POST /v1/migration/{job_id}/pause": Rule(OPERATE, foreign=404),
    "POST /v1/migration/{job_id}/resume": Rule(OPERATE, foreign=404),
    "POST /v1/migration/{job_id}/cancel": Rule(OPERATE, foreign=404),
    "DELETE /v1/migration/{job_id}/rollback": Rule(OPERATE, foreign=404),
    "GET /v1/migration/{job_id}/errors": Rule(READ, foreign=404),
    "GET /v1/migration/{job_id}/errors.csv": Rule(READ, foreign=404),
    "GET /v1/migration/{job_id}/skipped": Rule(READ, foreign=404),
    "GET /v1/migration/{job_id}/skipped.csv": Rule(READ, foreign=404),
    "GET /v1/migration/{job_id}/events": Rule(READ, foreign=404),
    "GET /v1/records/{entity_type}": Rule(READ),
    "GET /v1/records/{entity_type}/{record_id}": Rule(READ, foreign=404),
    "GET /v1/integrations/types": Rule(READ),
    "GET /v1/integrations": Rule(READ),
    "POST /v1/integrations": Rule(ADMIN, INTEGRATION),
    "POST /v1/integrations/test": Rule(ADMIN, {"type": "pagerduty", "config": {}}),
    "GET /v1/integrations/{integration_id}": Rule(READ, foreign=404),
    "PATCH /v1/integrations/{integration_id}": Rule(ADMIN, {}, foreign=404),
    "DELETE /v1/integrations/{integration_id}": Rule(ADMIN, foreign=404),
    "POST /v1/integrations/{integration_id}/test": Rule(OPERATE, foreign=404),
    "POST /v1/integrations/{integration_id}/rotate-secret": Rule(ADMIN, foreign=404),
    "GET /v1/integrations/{integration_id}/logs": Rule(READ, foreign=404),
    "GET /v1/notification-channels": Rule(READ),
    "POST /v1/notification-channels": Rule(OPERATE, CHANNEL),
    "GET /v1/notification-channels/{channel_id}": Rule(READ, foreign=404),
    "PATCH /v1/notification-channels/{channel_id}": Rule(OPERATE, {}, foreign=404),
    "DELETE /v1/notification-channels/{channel_id}": Rule(OPERATE, foreign=404),
    "GET /v1/notification-preferences/{user_id}": Rule(READ),
    "PUT /v1/notification-preferences/{user_id}": Rule(OPERATE, {"muted": True}),
    "PUT /v1/notification-preferences/{user_id}/{event_type}/{channel_type}": Rule(
        OPERATE, {"enabled": True}
    ),
    "POST /v1/notifications": Rule(NOTIFY, EVENT),
    "GET /v1/notifications": Rule(READ),
    "GET /v1/notifications/{notification_id}": Rule(READ, foreign=404),
    "POST /v1/notifications/{notification_id}/resend": Rule(OPERATE, foreign=404),
    "POST /v1/deliveries/{delivery_id}/resend": Rule(OPERATE, foreign=404),
    "POST /v1/deliveries/{delivery_id}/cancel": Rule(OPERATE, foreign=404),
    "POST /codec/decode": Rule(("platform",), {"payloads": []}),
}
SEALED = {name: rule for name, rule in RULES.items() if rule is not PUBLIC}
WITH_ID = {name: rule for name, rule in RULES.items() if rule.foreign}
LISTS = [
    name
    for name, rule in RULES.items()
    if name.startswith("GET /v1") and not rule.foreign and not name.endswith("/types")
]
WORDS = {
    **{"entity_type": "incident", "user_id": "u-1"},
    **{"event_type": "sla-breach", "channel_type": "email"},
}  # in paths, and the same for every tenant
IDS = (
    *("key_id", "job_id", "template_id", "record_id", "integration_id", "channel_id"),
    *("notification_id", "delivery_id"),
)
NOBODYS = dict.fromkeys(IDS, UNKNOWN) | {"user_id": "nobody"}


def routes(app: FastAPI) -> Iterator[str]:
    """Every operation of the app, whatever router it comes from."""
    paths = get_openapi(title="", version="", routes=app.routes)["paths"]
    for path, operations in paths.items():
        yield from (f"{method.upper()} {path}" for method in operations)


class Office:
    """Two tenants, one of them with a key of every role and with data to look for."""

    def __init__(self, service: Service, ours: Tenant, theirs: Tenant) -> None:
        self.service, self.ours, self.theirs = service, ours, theirs
        self.keys = {"platform": service.admin_key, "admin": ours.key}
        self.ids: dict[str, str] = dict(WORDS)

    async def open(self) -> None:
        for role in ROLES[2:]:
            created = await self.ours.post("/v1/api-keys", {"name": role, "role": role})
            self.keys[role] = created.json()["apiKey"]
        self.ids["key_id"] = created.json()["data"]["id"]
        created = await self.ours.post("/v1/migration/templates", TEMPLATE | {"name": "first"})
        self.ids["template_id"] = created.json()["data"]["id"]
        self.ids["job_id"] = (await self.ours.migrate(CSV))["id"]
        self.ids["record_id"] = (await self.ours.records())[0]["id"]
        await self.connect()

    async def connect(self) -> None:
        """Make an integration, a channel, a preference for it and a notification."""
        url = f"http://127.0.0.1:{self.service.receiver_ports[-1]}/"
        self.ids["integration_id"] = await integration(self.ours, "generic_webhook", {"url": url})
        made = await channel(self.ours, self.ids["integration_id"], "generic_webhook")
        self.ids["channel_id"] = made
        await self.service.http.put(
            f"/v1/notification-preferences/{WORDS['user_id']}",
            json={"channels": [made]},
            headers=self.ours.headers,
        )
        (id,) = await notify(self.ours, EVENT)
        (delivery,) = await deliveries(self.ours, id, bool)
        self.ids |= {"notification_id": id, "delivery_id": delivery["id"]}

    async def ask(self, name: str, key: str | None, **other_ids: str) -> httpx.Response:
        """Call a route with our ids, or with other ones."""
        method, path = name.split(" ")
        return await self.service.http.request(
            method,
            path.format_map(self.ids | other_ids),
            json=RULES[name].body,
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )


CSV = b"number,title,status,priority\nINC1,Printer on fire,New,1\n"


@pytest.fixture(scope="module")
async def office(service: Service) -> Office:
    opened = Office(service, await new_tenant(service), await new_tenant(service))
    await opened.open()
    return opened


def test_every_route_has_a_rule(service: Service) -> None:
    assert set(routes(create_app(service.settings))) == RULES.keys()


@pytest.mark.parametrize("name", SEALED)
async def test_without_a_key_nothing_opens(office: Office, name: str) -> None:
    for key in (None, "", "fl_", "fl_a_b_c", office.ours.key[:-1] + "x", office.ours.key + "x"):
        response = await office.ask(name, key)
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", SEALED)
async def test_a_role_opens_what_it_may_and_nothing_else(office: Office, name: str) -> None:
    for role in ROLES:
        response = await office.ask(name, office.keys[role], **NOBODYS)
        if role in RULES[name].roles:
            assert response.status_code not in (401, 403, 500, 503), role
        else:
            assert (response.status_code, response.json()["code"]) == (403, "forbidden"), role
            assert "admin" in response.json()["detail"]  # it says which key is needed


@pytest.mark.parametrize("name", WITH_ID)
async def test_a_foreign_id_is_like_none(office: Office, name: str) -> None:
    foreign = await office.ask(name, office.theirs.key)
    nobodys = await office.ask(name, office.theirs.key, **NOBODYS)
    assert foreign.status_code == nobodys.status_code == RULES[name].foreign
    assert foreign.json() == nobodys.json()
    assert foreign.json()["code"] == "not_found"


@pytest.mark.parametrize("name", LISTS)
async def test_lists_hold_nothing_foreign(office: Office, name: str) -> None:
    ours = (await office.ask(name, office.ours.key)).text
    theirs = (await office.ask(name, office.theirs.key)).text
    ids = [office.ids[kind] for kind in IDS]
    assert not any(id in theirs for id in ids)
    assert any(id in ours for id in ids)


async def test_an_unknown_entity_type_is_not_found(office: Office) -> None:
    response = await office.ours.get("/v1/records/pg_authid")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


class TestKeys:
    async def test_a_revoked_key_stops_at_once(self, tenant: Tenant) -> None:
        created = (await tenant.post("/v1/api-keys", {"name": "x", "role": "viewer"})).json()
        headers = {"Authorization": f"Bearer {created['apiKey']}"}
        http = tenant.service.http
        assert (await http.get("/v1/migration", headers=headers)).status_code == 200
        path = f"/v1/api-keys/{created['data']['id']}"
        assert (await http.delete(path, headers=tenant.headers)).status_code == 204
        assert (await http.get("/v1/migration", headers=headers)).status_code == 401
        assert (await http.delete(path, headers=tenant.headers)).status_code == 404
        shown = (await tenant.get("/v1/api-keys")).json()["data"]
        assert created["data"]["id"] not in [key["id"] for key in shown]

    async def test_an_expired_key_stops(self, tenant: Tenant) -> None:
        body = {"name": "x", "role": "viewer", "expiresAt": "2999-01-01T00:00:00+02:00"}
        created = (await tenant.post("/v1/api-keys", body)).json()
        assert created["data"]["expiresAt"] == "2998-12-31T22:00:00Z"
        headers = {"Authorization": f"Bearer {created['apiKey']}"}
        http = tenant.service.http
        assert (await http.get("/v1/migration", headers=headers)).status_code == 200
        await tenant.sql(
            "update public.api_keys set expires_at = now() where id = $1", created["data"]["id"]
        )
        assert (await http.get("/v1/migration", headers=headers)).status_code == 401

    @pytest.mark.parametrize("expires", ["2999-01-01T00:00:00", "soon", -(10**30)])
    async def test_an_expiry_is_an_instant(self, tenant: Tenant, expires: object) -> None:
        body = {"name": "x", "role": "viewer", "expiresAt": expires}
        response = await tenant.post("/v1/api-keys", body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/expiresAt"

    async def test_a_secret_is_never_shown_again(self, tenant: Tenant) -> None:
        key = (await tenant.post("/v1/api-keys", {"name": "x", "role": "viewer"})).json()["apiKey"]
        listed = await tenant.get("/v1/api-keys")
        assert listed.status_code == 200
        assert key not in listed.text
        rows = await tenant.sql("select k::text from public.api_keys k")
        assert not any(part in row[0] for row in rows for part in key.split("_")[2:])

    async def test_a_platform_key_cannot_be_made(self, tenant: Tenant) -> None:
        response = await tenant.post("/v1/api-keys", {"name": "x", "role": "platform"})
        assert response.status_code == 422


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a-", "a" * 64, "a/b", "..", "pg\0", "é"])
async def test_a_slug_is_plain(service: Service, slug: str) -> None:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    body = {"slug": slug, "name": "x"}
    response = await service.http.post("/v1/tenants", json=body, headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/slug"


async def test_a_slug_is_given_once(service: Service, tenant: Tenant) -> None:
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    body = {"slug": tenant.slug, "name": "x"}
    response = await service.http.post("/v1/tenants", json=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (409, "slug_taken")


async def test_tenants_are_made_beside_each_other(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.admin_key}"}

    async def made(name: str) -> int:
        body = {"slug": f"beside-{name}", "name": "x"}
        answer = await service.http.post("/v1/tenants", json=body, headers=headers)
        key = {"Authorization": f"Bearer {answer.json().get('apiKey')}"}
        return (await service.http.get("/v1/migration", headers=key)).status_code

    assert await asyncio.gather(*(made(name) for name in "abcdefgh")) == [200] * 8


async def test_two_tenants_on_one_connection_never_meet(service: Service, office: Office) -> None:
    app = create_app(service.settings.model_copy(update={"database_pool_size": 1}))
    transport = httpx.ASGITransport(app=app)

    async def seen(tenant: Tenant) -> tuple[int, int]:
        jobs = await http.get("/v1/migration", headers=tenant.headers)
        records = await http.get("/v1/records/incident", headers=tenant.headers)
        return len(jobs.json()["data"]), len(records.json()["data"])

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as http,
    ):
        found = await asyncio.gather(*(seen(t) for t in [office.ours, office.theirs] * 20))
    assert set(found[::2]) == {(1, 1)}
    assert set(found[1::2]) == {(0, 0)}


class TestRowLevelSecurity:
    """The rows that the service's role sees if a query does not filter by tenant."""

    TABLES = (
        *("tenants", "api_keys", "migration_jobs", "migration_job_mappings"),
        *("migration_mappings", "idempotency_keys", "audit_log", "outbox", "work_starts"),
    )
    OF_ALL = ("secret_checks",)  # the key ring's, which is the whole service's
    HIDDEN = ("integration_owners",)  # asked by a function, for one integration at a time

    @pytest.mark.parametrize("table", TABLES)
    async def test_without_a_tenant_nothing_is_visible(self, office: Office, table: str) -> None:
        connection = await asyncpg.connect(office.service.dsn)
        try:
            await connection.execute("set role firelater_app")
            assert await connection.fetchval(f"select count(*) from public.{table}") == 0
        finally:
            await connection.close()

    async def test_a_tenant_sees_and_changes_only_its_own(self, office: Office) -> None:
        database = Database(office.service.dsn, pool_size=1)
        try:
            async with database.tenant(office.theirs.id) as connection:
                for table in ("migration_jobs", "migration_mappings"):
                    found = await connection.exec_driver_sql(f"select 1 from public.{table}")
                    assert found.all() == []
                    changed = await connection.exec_driver_sql(
                        f"update public.{table} set source_system = 'stolen'"
                    )
                    assert changed.rowcount == 0
        finally:
            await database.close()

    async def test_the_tables_of_the_test_are_all_shared_tables(self, office: Office) -> None:
        rows = await office.ours.sql(
            "select tablename from pg_tables where schemaname = 'public'"
            " and tablename not like 'alembic%'"
        )
        assert {row[0] for row in rows} == {*self.TABLES, *self.OF_ALL, *self.HIDDEN}

    @pytest.mark.parametrize("table", HIDDEN)
    async def test_what_is_hidden_cannot_be_read(self, office: Office, table: str) -> None:
        connection = await asyncpg.connect(office.service.dsn)
        try:
            await connection.execute("set role firelater_app")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"select count(*) from public.{table}")
        finally:
            await connection.close()
