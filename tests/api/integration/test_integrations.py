"""Integrations over HTTP: what is saved, and what is shown of it."""

import pytest

from receivers.receiver import serving
from receivers.webhook import WebhookReceiver
from tests.api.integration.connecting import (
    PATH,
    SECRET,
    created,
    delete,
    everything,
    idempotent,
    pagerduty,
    patch,
    pointers,
    webhook,
)
from tests.api.refused import BAD
from tests.service import Tenant


class TestTypes:
    async def test_say_what_a_config_is_made_of(self, tenant: Tenant) -> None:
        found = (await tenant.get(f"{PATH}/types")).json()["data"]
        types = {each["type"]: each for each in found}
        assert {"pagerduty", "generic_webhook", "email"} <= types.keys()
        schema = types["pagerduty"]["config_schema"]
        assert "integrationKey" in schema["required"]
        assert schema["properties"]["integrationKey"]["writeOnly"]
        assert types["pagerduty"]["secrets"] == ["integrationKey", "restApiKey", "webhookSecret"]
        assert types["pagerduty"]["limits"]["rate"] == {"count": 120, "seconds": 60.0}


class TestSaving:
    async def test_an_integration_is_made_read_changed_and_deleted(self, tenant: Tenant) -> None:
        made = await created(tenant, pagerduty(description="night shift"))
        assert (made["health"], made["version"]) == ("untested", 1)
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


class TestSigningSecret:
    async def test_is_made_where_there_is_none_and_shown_once(self, tenant: Tenant) -> None:
        body = webhook(secret=None)
        first = await idempotent(tenant, PATH, body)
        secret = first.json()["secret"]
        assert secret.startswith("whsec_")
        again = await idempotent(tenant, PATH, body)
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
            rotated = await idempotent(tenant, f"{path}/rotate-secret", {})
            fresh = rotated.json()["secret"]
            assert fresh != SECRET
            assert rotated.json()["data"]["version"] == 2
            again = await idempotent(tenant, f"{path}/rotate-secret", {})
            assert again.json() == {"data": rotated.json()["data"]}
            # Receivers with the old secret and receivers with the new one can both verify.
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
