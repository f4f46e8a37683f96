"""Integrations over HTTP: what is saved, what is shown of it, and what a test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from tests.receivers.pagerduty import PagerDutyReceiver
from tests.receivers.receiver import Reply, serving
from tests.receivers.webhook import WebhookReceiver
from tests.service import Tenant
from workflows.connection import connect

PATH = "/v1/integrations"
KEY = "R0UT1NGKEY0FTHETEST00000000004f2"
SECRET = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLWV4YW1wbGU="
UNKNOWN = "019a0000-0000-7000-8000-000000000000"


def pagerduty(**changes: Any) -> dict[str, Any]:
    usual = {"name": "pages", "type": "pagerduty", "config": {"integrationKey": KEY}}
    return usual | changes


def webhook(**config: Any) -> dict[str, Any]:
    usual = {"url": "https://example.com/hook?token=t0ken-of-the-test", "secret": SECRET}
    return {"name": "hook", "type": "generic_webhook", "config": usual | config}


async def created(tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    response = await tenant.post(PATH, body)
    assert response.status_code == 201, response.text
    row: dict[str, Any] = response.json()["data"]
    return row


async def patch(tenant: Tenant, id: str, body: Any) -> httpx.Response:
    return await tenant.service.http.patch(f"{PATH}/{id}", json=body, headers=tenant.headers)


async def delete(tenant: Tenant, id: str) -> httpx.Response:
    return await tenant.service.http.delete(f"{PATH}/{id}", headers=tenant.headers)


async def keyed(tenant: Tenant, path: str, body: Any) -> httpx.Response:
    headers = tenant.headers | {"Idempotency-Key": "once"}
    return await tenant.service.http.post(path, json=body, headers=headers)


def pointers(response: httpx.Response) -> list[str]:
    return [each["pointer"] for each in response.json()["errors"]]


async def temporal(tenant: Tenant) -> Client:
    settings = tenant.service.settings
    return await connect(settings.temporal_address, settings.temporal_namespace, None)


async def everything(tenant: Tenant) -> str:
    """All that the database holds of the tenant, as text."""
    tables = await tenant.sql(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('public', $1)",
        tenant.id.schema,
    )
    rows = [await tenant.sql(f"select t::text from {table[0]} t") for table in tables]
    return "\n".join(row[0] for found in rows for row in found)


class TestTypes:
    async def test_say_what_a_config_is_made_of(self, tenant: Tenant) -> None:
        found = (await tenant.get(f"{PATH}/types")).json()["data"]
        types = {each["type"]: each for each in found}
        assert {"pagerduty", "generic_webhook", "email"} <= types.keys()
        schema = types["pagerduty"]["config_schema"]
        assert "integrationKey" in schema["required"]
        assert schema["properties"]["integrationKey"]["writeOnly"]
        assert types["pagerduty"]["secrets"] == ["integrationKey", "restApiKey"]
        assert types["pagerduty"]["limits"]["rate"] == {"count": 120, "seconds": 60.0}


class TestSaving:
    async def test_an_integration_is_made_read_changed_and_deleted(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty(description="night shift"))
        assert (made["connection_status"], made["version"]) == ("untested", 1)
        assert (made["sync_interval"], made["sync_direction"]) == (60, "both")
        assert (await tenant.get(f"{PATH}/{made['id']}")).json()["data"] == made
        assert (await tenant.get(PATH)).json()["data"] == [made]
        change = {"name": "new", "description": None, "is_active": False}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        assert changed == made | change | {"version": 2, "updated_at": changed["updated_at"]}
        assert (await delete(tenant, made["id"])).status_code == 204
        assert (await delete(tenant, made["id"])).status_code == 404
        assert (await patch(tenant, made["id"], {})).status_code == 404

    async def test_secrets_never_come_out(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook(headers={"X-Key": "a-gateway-key-0f-17"}))
        masks = made["config"]
        assert masks["url"] == {
            "set": True,
            "hint": "…test",
            "updated_at": masks["url"]["updated_at"],
        }
        assert masks["headers"]["X-Key"]["hint"] == "…f-17"
        held = await everything(tenant)
        assert made["id"] in held
        for secret in ("t0ken-of-the-test", SECRET, "a-gateway-key-0f-17"):
            assert secret not in held

    async def test_a_short_secret_gives_no_hint(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook(headers={"X-Key": "hunter2"}))
        assert made["config"]["headers"]["X-Key"].keys() == {"set", "updated_at"}

    async def test_lists_come_a_page_at_a_time(self, tenant: Tenant) -> None:
        names = [(await created(tenant, pagerduty(name=f"n{n}")))["name"] for n in range(3)]
        first = (await tenant.get(PATH, limit=2)).json()
        second = (await tenant.get(PATH, limit=2, cursor=first["nextCursor"])).json()
        assert [each["name"] for each in first["data"] + second["data"]] == names
        assert second["nextCursor"] is None

    async def test_a_name_is_given_once_per_tenant(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        await created(tenant, pagerduty())
        await created(other_tenant, pagerduty())
        again = await tenant.post(PATH, pagerduty())
        assert (again.status_code, again.json()["code"]) == (409, "name_taken")
        second = await created(tenant, pagerduty(name="second"))
        renamed = await patch(tenant, second["id"], {"name": "pages"})
        assert (renamed.status_code, renamed.json()["code"]) == (409, "name_taken")

    async def test_who_did_what_is_on_record(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook())
        await patch(tenant, made["id"], {"name": "new", "config": {"severity": "error"}})
        await tenant.post(f"{PATH}/{made['id']}/rotate-secret")
        logs = (await tenant.get(f"{PATH}/{made['id']}/logs")).json()["data"]
        assert [each["action"] for each in logs] == ["rotate_secret", "update", "create"]
        assert logs[1]["detail"] == "changed: config.severity, name"
        assert {each["actor"] for each in logs} == {made["created_by"]}
        only = await tenant.get(f"{PATH}/{made['id']}/logs", action="update", level="info")
        assert only.json()["data"] == [logs[1]]
        since = await tenant.get(f"{PATH}/{made['id']}/logs", since=logs[0]["created_at"])
        assert since.json()["data"] == [logs[0]]
        await delete(tenant, made["id"])
        audit = await tenant.sql("select actor, action, subject from public.audit_log order by at")
        mine = [tuple(row) for row in audit if made["id"] in row["subject"]]
        actions = ("create", "update", "rotate_secret", "delete")
        assert mine == [
            (made["created_by"], f"integration.{action}", f"integration/{made['id']}")
            for action in actions
        ]


class TestChanging:
    async def test_what_is_left_out_stays_and_null_clears(self, tenant: Tenant) -> None:
        config = {"integrationKey": KEY, "restApiKey": "rest-key-of-the-test", "group": "a"}
        made = await created(tenant, pagerduty(config=config))
        change = {"config": {"restApiKey": None, "group": None, "component": "db"}}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        kept = made["config"]["integrationKey"]
        assert changed["config"] == {"integrationKey": kept, "component": "db"}
        assert changed["connection_status"] == "untested"

    async def test_a_new_secret_has_a_new_mask(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        change = {"config": {"integrationKey": KEY[::-1]}}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        assert changed["config"]["integrationKey"]["hint"] == f"…{KEY[::-1][-4:]}"
        since = made["config"]["integrationKey"]["updated_at"]
        assert changed["config"]["integrationKey"]["updated_at"] > since

    async def test_one_header_may_change_without_the_others(self, tenant: Tenant) -> None:
        headers = {"X-A": "the-first-of-the-keys", "X-B": "the-second-of-the-keys"}
        made = await created(tenant, webhook(headers=headers))
        change = {"config": {"headers": {"X-A": None, "X-C": "the-third-of-the-keys"}}}
        changed = (await patch(tenant, made["id"], change)).json()["data"]
        masks = changed["config"]["headers"]
        assert masks.keys() == {"X-B", "X-C"}
        assert masks["X-B"] == made["config"]["headers"]["X-B"]

    async def test_a_mask_is_no_secret(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook(headers={"X-A": "the-first-of-the-keys"}))
        for member in ("url", "headers"):
            response = await patch(tenant, made["id"], {"config": {member: made["config"][member]}})
            assert (response.status_code, response.json()["code"]) == (422, "secret_mask")
            assert pointers(response) == [f"/config/{member}"]
        copied = await tenant.post(PATH, webhook(**made["config"]) | {"name": "copy"})
        assert (copied.status_code, copied.json()["code"]) == (422, "secret_mask")

    async def test_a_new_destination_asks_for_the_secrets(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook(headers={"X-A": "a-key", "X-B": "b-key"}))
        elsewhere = {"url": "https://attacker.example/"}
        refused = await patch(tenant, made["id"], {"config": elsewhere})
        assert (refused.status_code, refused.json()["code"]) == (422, "secret_required")
        wanted = {"/config/secret", "/config/headers/X-A", "/config/headers/X-B"}
        assert set(pointers(refused)) == wanted
        half = elsewhere | {"secret": SECRET, "headers": {"X-A": "a-key"}}
        refused = await patch(tenant, made["id"], {"config": half})
        assert pointers(refused) == ["/config/headers/X-B"]
        whole = half | {"headers": {"X-A": "a-key", "X-B": None}}
        assert (await patch(tenant, made["id"], {"config": whole})).status_code == 200

    async def test_a_default_that_is_written_out_is_no_new_destination(
        self, tenant: Tenant
    ) -> None:
        made = await created(tenant, pagerduty())
        same = await patch(tenant, made["id"], {"config": {"region": "us"}})
        assert same.status_code == 200
        other = await patch(tenant, made["id"], {"config": {"region": "eu"}})
        assert (other.status_code, pointers(other)) == (422, ["/config/integrationKey"])

    async def test_the_type_stays(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        assert (await patch(tenant, made["id"], {"type": "pagerduty"})).status_code == 200
        refused = await patch(tenant, made["id"], {"type": "generic_webhook"})
        assert (refused.status_code, refused.json()["code"]) == (422, "type_fixed")
        assert pointers(refused) == ["/type"]

    async def test_a_refused_change_changes_nothing(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        change = {"name": "new", "config": {"integrationKey": "short"}}
        assert (await patch(tenant, made["id"], change)).status_code == 422
        assert (await tenant.get(f"{PATH}/{made['id']}")).json()["data"] == made

    async def test_changes_at_once_lose_nothing(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        texts = {"component": "a", "group": "b", "class": "c", "source": "d"}
        await asyncio.gather(
            *(patch(tenant, made["id"], {"config": {name: texts[name]}}) for name in texts)
        )
        found = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert {name: found["config"].get(name) for name in texts} == texts
        assert found["version"] == 1 + len(texts)


class TestSigningSecret:
    async def test_is_made_where_there_is_none_and_shown_once(self, tenant: Tenant) -> None:
        body = webhook(secret=None)
        first = await keyed(tenant, PATH, body)
        secret = first.json()["secret"]
        assert secret.startswith("whsec_")
        again = await keyed(tenant, PATH, body)
        assert (again.headers["idempotency-replayed"], again.status_code) == ("true", 201)
        assert again.json() == {"data": first.json()["data"]}
        assert secret not in (await tenant.get(PATH)).text
        assert secret not in await everything(tenant)

    async def test_that_is_given_is_not_shown_at_all(self, tenant: Tenant) -> None:
        response = await tenant.post(PATH, webhook())
        assert (response.status_code, response.json().keys()) == (201, {"data"})

    async def test_that_is_removed_is_made_anew(self, tenant: Tenant) -> None:
        made = await created(tenant, webhook())
        changed = (await patch(tenant, made["id"], {"config": {"secret": None}})).json()
        assert changed["secret"] not in (SECRET, None)
        hint = changed["data"]["config"]["secret"]["hint"]
        assert hint == f"…{changed['secret'][-4:]}"

    async def test_is_rotated_with_an_overlap(self, tenant: Tenant) -> None:
        receiver, port = WebhookReceiver(SECRET), tenant.service.receiver_ports[0]
        async with serving(receiver, port):
            made = await created(tenant, webhook(url=f"{receiver.url}/hook"))
            path = f"{PATH}/{made['id']}"
            rotated = await keyed(tenant, f"{path}/rotate-secret", {})
            fresh = rotated.json()["secret"]
            assert fresh != SECRET
            assert rotated.json()["data"]["version"] == 2
            again = await keyed(tenant, f"{path}/rotate-secret", {})
            assert again.json() == {"data": rotated.json()["data"]}
            # Who still has the old one, and who has the new one already, both can verify.
            for known in (SECRET, fresh):
                receiver.secrets = (known,)
                outcome = (await tenant.post(f"{path}/test")).json()["data"]
                assert outcome["success"], outcome
            receiver.secrets = (SECRET[:-8] + "AAAAAAA=",)
            assert not (await tenant.post(f"{path}/test")).json()["data"]["success"]

    async def test_of_other_types_there_is_none(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        response = await tenant.post(f"{PATH}/{made['id']}/rotate-secret")
        assert (response.status_code, response.json()["code"]) == (409, "no_signing_secret")


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"a": inner}
    return inner


def rate(count: Any) -> dict[str, Any]:
    limit = {"count": count, "seconds": 1}
    return pagerduty(config={"integrationKey": KEY, "rateLimit": limit})


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown type": (pagerduty(type="pigeon"), "unknown_type", "/type"),
    "no name": (pagerduty(name=""), "invalid_request", "/name"),
    "no config": ({"name": "x", "type": "pagerduty"}, "invalid_request", "/config"),
    "camel case": (pagerduty(isActive=True), "invalid_request", "/isActive"),
    "missing key": (pagerduty(config={}), "config_invalid", "/config/integrationKey"),
    "null for a key": (
        pagerduty(config={"integrationKey": None}),
        "config_invalid",
        "/config/integrationKey",
    ),
    "snake case": (
        pagerduty(config={"integration_key": KEY}),
        "config_invalid",
        "/config/integration_key",
    ),
    "extra key": (
        pagerduty(config={"integrationKey": KEY, "colour": "red"}),
        "config_invalid",
        "/config/colour",
    ),
    "malformed token": (
        pagerduty(config={"integrationKey": "kaputt" * 5}),
        "config_invalid",
        "/config/integrationKey",
    ),
    "no rate": (rate(0), "config_invalid", "/config/rateLimit/count"),
    "never synchronised": (pagerduty(sync_interval=0), "invalid_request", "/sync_interval"),
    "no direction": (pagerduty(sync_direction="up"), "invalid_request", "/sync_direction"),
    "NUL in a name": (pagerduty(name="a\0b"), "invalid_request", "/name"),
    "NUL in a config": (
        pagerduty(config={"integrationKey": KEY, "group": "a\0"}),
        "invalid_request",
        "/config",
    ),
    "NUL in a member": (pagerduty(config={"a\0": 1}), "invalid_request", "/config"),
    "NUL in a secret": (webhook(headers={"X-A": "a\0"}), "invalid_request", "/config"),
    "too deep": (pagerduty(field_mappings=deep(30)), "invalid_request", "/field_mappings"),
    "too large": (
        pagerduty(field_mappings={"a": "b" * 70_000}),
        "invalid_request",
        "/field_mappings",
    ),
    "CR and LF in a header": (
        webhook(headers={"X-A": "a\r\nX-Evil: b"}),
        "config_invalid",
        "/config/headers",
    ),
    "http": (webhook(url="http://example.com/"), "scheme_not_allowed", "/config/url"),
    "a port of no web server": (
        webhook(url="https://example.com:25/"),
        "port_not_allowed",
        "/config/url",
    ),
    "a private address": (webhook(url="https://10.0.0.1/"), "blocked_address", "/config/url"),
    "this machine": (webhook(url="https://127.0.0.1/"), "blocked_address", "/config/url"),
    "a metadata service": (
        webhook(url="https://169.254.169.254/latest/meta-data"),
        "blocked_address",
        "/config/url",
    ),
    "a local name": (webhook(url="https://localhost/"), "local_name", "/config/url"),
    "a user in the URL": (
        webhook(url="https://a:b@example.com/"),
        "userinfo_not_allowed",
        "/config/url",
    ),
    "a private base URL": (
        pagerduty(config={"integrationKey": KEY, "baseUrl": "https://192.168.0.1"}),
        "blocked_address",
        "/config/baseUrl",
    ),
    "a private mail server": (
        pagerduty(type="email", config={"host": "10.0.0.1", "fromAddress": "a@example.com"}),
        "blocked_address",
        "/config/host",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_work_is_pointed_at(tenant: Tenant, name: str) -> None:
    body, code, pointer = BAD[name]
    response = await tenant.post(PATH, body)
    assert (response.status_code, response.json()["code"]) == (422, code), response.text
    assert pointer in pointers(response)
    assert "kaputt" not in response.text
    assert (await tenant.get(PATH)).json()["data"] == []


@pytest.mark.parametrize("text", [rb'"\ud800"', b"NaN", b"1e999", b"-Infinity"])
async def test_what_postgresql_cannot_store_is_the_callers_fault(
    tenant: Tenant, text: bytes
) -> None:
    content = b'{"name": "x", "type": "pagerduty", "config": {}, "field_mappings": {"a": %s}}'
    headers = tenant.headers | {"Content-Type": "application/json"}
    response = await tenant.service.http.post(PATH, content=content % text, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert pointers(response) == ["/field_mappings"]


class TestTesting:
    """`test` says the truth, whatever state the vendor is in."""

    @pytest.fixture
    async def receiver(self, tenant: Tenant) -> AsyncIterator[PagerDutyReceiver]:
        keys = frozenset({KEY})
        receiver = PagerDutyReceiver(keys, rest_keys=frozenset({"rest-key-of-the-test"}))
        async with serving(receiver, tenant.service.receiver_ports[0]):
            yield receiver

    def config(self, receiver: PagerDutyReceiver, **changes: Any) -> dict[str, Any]:
        urls = {"baseUrl": receiver.url, "restBaseUrl": receiver.url}
        return {"integrationKey": KEY, "restApiKey": "rest-key-of-the-test"} | urls | changes

    async def test_of_a_good_connection(self, tenant: Tenant, receiver: PagerDutyReceiver) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver)))
        response = await tenant.post(f"{PATH}/{made['id']}/test")
        outcome = response.json()["data"]
        assert (response.status_code, outcome["success"]) == (200, True)
        assert "error" not in outcome
        assert [each.keys() for each in outcome["checks"]] == [{"name", "ok", "detail"}] * 3
        row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert (row["connection_status"], row["last_error"]) == ("connected", None)
        assert row["version"] == made["version"]
        (log, _) = (await tenant.get(f"{PATH}/{made['id']}/logs")).json()["data"]
        assert (log["level"], log["action"]) == ("info", "test")

    @pytest.mark.parametrize(
        ("change", "reply", "status", "wrong"),
        [
            ({"integrationKey": KEY[::-1]}, None, "misconfigured", "Events API takes the key"),
            ({"restApiKey": "another"}, None, "misconfigured", "REST key valid"),
            ({}, Reply(500), "failing", "Events API takes the key"),
            ({}, Reply(429), "failing", "Events API takes the key"),
            ({}, Reply(reset=True), "failing", "Events API takes the key"),
        ],
        ids=["key", "rest key", "500", "429", "reset"],
    )
    async def test_of_a_bad_one(
        self,
        tenant: Tenant,
        receiver: PagerDutyReceiver,
        change: dict[str, Any],
        reply: Reply | None,
        status: str,
        wrong: str,
    ) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver, **change)))
        receiver.always = reply
        response = await tenant.post(f"{PATH}/{made['id']}/test")
        outcome = response.json()["data"]
        assert (response.status_code, outcome["success"]) == (200, False)
        first = next(each for each in outcome["checks"] if not each["ok"])
        assert (first["name"], outcome["error"]) == (wrong, f"{wrong}: {first['detail']}")
        row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert (row["connection_status"], row["last_error"]) == (status, outcome["error"])
        failures = await tenant.get(f"{PATH}/{made['id']}/logs", level="error")
        (log,) = failures.json()["data"]
        assert (log["detail"], len(log["context"]["checks"])) == (outcome["error"], 3)

    async def test_shows_no_secret_that_the_vendor_quotes(
        self, tenant: Tenant, receiver: PagerDutyReceiver
    ) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver)))
        errors = [f"the key {KEY} is not known", f"and neither is {quote(KEY)}"]
        said = {"status": "invalid event", "message": "no", "errors": errors}
        receiver.told.append(Reply(400, json.dumps(said)))
        response = await tenant.post(f"{PATH}/{made['id']}/test")
        assert "is not known" in response.text
        assert KEY not in response.text
        assert KEY not in await everything(tenant)
        assert KEY not in await self.history(tenant, made["id"])

    async def history(self, tenant: Tenant, id: str) -> str:
        """What Temporal keeps of the integration's tests."""
        client = await temporal(tenant)
        found: list[WorkflowExecution] = []
        async with asyncio.timeout(30):  # visibility is a moment late
            while not found:
                query = f"WorkflowId STARTS_WITH 'integration-test/{id}'"
                found = [each async for each in client.list_workflows(query)]
        (run,) = found
        return (await client.get_workflow_handle(run.id).fetch_history()).to_json()

    async def test_of_a_draft_leaves_nothing(
        self, tenant: Tenant, receiver: PagerDutyReceiver
    ) -> None:
        for key, works in ((KEY, True), (KEY[::-1], False)):
            config = self.config(receiver, integrationKey=key)
            response = await tenant.post(f"{PATH}/test", {"type": "pagerduty", "config": config})
            assert response.json()["data"]["success"] is works, response.text
        assert await tenant.sql("select 1 from integration_drafts") == []
        assert (await tenant.get(PATH)).json()["data"] == []

    @pytest.mark.parametrize("name", [n for n in BAD if BAD[n][2].startswith("/config/")])
    async def test_of_a_draft_that_cannot_be_saved(self, tenant: Tenant, name: str) -> None:
        body, code, pointer = BAD[name]
        draft = {"type": body["type"], "config": body["config"]}
        response = await tenant.post(f"{PATH}/test", draft)
        assert (response.status_code, response.json()["code"]) == (422, code)
        assert pointer in pointers(response)

    async def test_of_a_draft_without_a_signing_secret(self, tenant: Tenant) -> None:
        receiver, port = WebhookReceiver(), tenant.service.receiver_ports[0]
        async with serving(receiver, port):
            receiver.always = Reply(204)
            draft = {"type": "generic_webhook", "config": {"url": f"{receiver.url}/hook"}}
            outcome = (await tenant.post(f"{PATH}/test", draft)).json()["data"]
            assert outcome["success"], outcome
            assert receiver.received[0].headers["webhook-signature"].startswith("v1,")

    async def test_of_what_a_newer_version_replaced_is_not_noted(
        self, tenant: Tenant, receiver: PagerDutyReceiver
    ) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver)))
        receiver.always = Reply(hang=True)
        testing = asyncio.create_task(tenant.post(f"{PATH}/{made['id']}/test"))
        await receiver.until(len)
        change = {"config": {"group": "changed meanwhile"}}
        assert (await patch(tenant, made["id"], change)).status_code == 200
        receiver.always = None
        receiver.released.set()
        assert not (await testing).json()["data"]["success"]
        row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert (row["connection_status"], row["last_error"]) == ("untested", None)


class TestDeliveries:
    """What a change or the end of an integration does to deliveries that wait for it."""

    async def waiting(self, tenant: Tenant, integration: str, kind: str, status: str) -> str:
        """A delivery as routing and a failed attempt leave it."""
        (notification,) = await tenant.sql(
            "insert into notifications (request_id, event_type, title, body, created_by,"
            " routed_at) values ($1, 'a', 't', 'b', 'test', now()) returning id, request_id",
            uuid4(),
        )
        (row,) = await tenant.sql(
            "insert into notification_deliveries (notification_id, request_id, channel_id,"
            " channel_type, integration_id, status, rank, next_attempt_at, deadline_at,"
            " last_class) values ($1, $2, $3, 'pagerduty', $4, $5, 1,"
            " now() + interval '1 day', now() + interval '2 days', $6) returning id::text",
            *(notification["id"], notification["request_id"], uuid4(), integration, status, kind),
        )
        id: str = row["id"]
        return id

    async def due(self, tenant: Tenant) -> set[str]:
        rows = await tenant.sql(
            "select id::text from notification_deliveries"
            " where next_attempt_at <= now() or status not in ('pending', 'retrying')"
        )
        return {row["id"] for row in rows}

    async def test_a_change_makes_the_misconfigured_due(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty(is_active=False))
        other = await created(tenant, pagerduty(name="other", is_active=False))
        parked = await self.waiting(tenant, made["id"], "misconfigured", "retrying")
        await self.waiting(tenant, made["id"], "transient", "retrying")
        await self.waiting(tenant, other["id"], "misconfigured", "retrying")
        change = {"config": {"integrationKey": KEY[::-1]}}
        assert (await patch(tenant, made["id"], change)).status_code == 200
        assert await self.due(tenant) == {parked}

    async def test_to_switch_it_on_wakes_all_that_is_open(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty(is_active=False))
        await self.waiting(tenant, made["id"], "transient", "retrying")
        (row,) = await tenant.sql("select request_id from notification_deliveries")
        workflow = (await temporal(tenant)).get_workflow_handle(f"notification/{row[0]}")
        assert (await patch(tenant, made["id"], {"name": "renamed"})).status_code == 200
        with pytest.raises(RPCError, match="not found"):
            await workflow.describe()
        assert (await patch(tenant, made["id"], {"is_active": True})).status_code == 200
        assert (await workflow.describe()).workflow_type == "Notification"

    async def test_the_end_cancels_what_is_open(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty())
        open = await self.waiting(tenant, made["id"], "transient", "retrying")
        over = await self.waiting(tenant, made["id"], "permanent", "failed")
        assert (await delete(tenant, made["id"])).status_code == 204
        rows = await tenant.sql(
            "select id::text, status, last_error, completed_at from notification_deliveries"
        )
        found = {row["id"]: row for row in rows}
        assert (found[open]["status"], found[over]["status"]) == ("cancelled", "failed")
        assert found[open]["last_error"] == "the integration was deleted"
        assert found[open]["completed_at"] is not None


class TestWaking:
    """Deliveries that a tenant's own doing holds up go out once that is mended."""

    async def hooked(self, tenant: Tenant, body: dict[str, Any]) -> str:
        """An integration behind the tenant's one channel, and an event on its way to it."""
        made = await created(tenant, body)
        channel = {"name": "all", "type": "generic_webhook", "integration_id": made["id"]}
        response = await tenant.post("/v1/notification-channels", channel | {"is_default": True})
        assert response.status_code == 201, response.text
        event = {"eventType": "incident.created", "title": "Printer on fire"}
        response = await tenant.post("/v1/notifications", event)
        assert response.status_code == 202, response.text
        id: str = made["id"]
        return id

    async def ended(self, tenant: Tenant, status: str) -> None:
        async with asyncio.timeout(30):
            while True:
                rows = await tenant.sql("select status from notification_deliveries")
                if [row["status"] for row in rows] == [status]:
                    return
                await asyncio.sleep(0.05)

    async def test_a_better_secret(self, tenant: Tenant) -> None:
        receiver, port = WebhookReceiver(SECRET), tenant.service.receiver_ports[0]
        async with serving(receiver, port):
            wrong = "whsec_d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldCB3cm9uZw=="
            id = await self.hooked(tenant, webhook(url=f"{receiver.url}/", secret=wrong))
            await self.ended(tenant, "retrying")
            row = (await tenant.get(f"{PATH}/{id}")).json()["data"]
            assert row["connection_status"] == "misconfigured"
            assert (await patch(tenant, id, {"config": {"secret": SECRET}})).status_code == 200
            await self.ended(tenant, "delivered")
            assert [each.status for each in receiver.received] == [401, 204]
