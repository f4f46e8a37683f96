"""Notification channels over HTTP."""

from typing import Any

import httpx
import pytest

from tests.service import Tenant

PATH = "/v1/notification-channels"
UNKNOWN = "019a0000-0000-7000-8000-000000000000"
KEY = "R0UT1NGKEY0FTHETEST00000000004f2"


def body(**changes: Any) -> dict[str, Any]:
    return {"name": "on call", "type": "pagerduty", "config": {}} | changes


async def integration(tenant: Tenant, name: str = "pages") -> str:
    made = {"name": name, "type": "pagerduty", "config": {"integrationKey": KEY}}
    id: str = (await tenant.post("/v1/integrations", made)).json()["data"]["id"]
    return id


async def created(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    response = await tenant.post(PATH, body(**changes))
    assert response.status_code == 201, response.text
    row: dict[str, Any] = response.json()["data"]
    return row


async def patch(tenant: Tenant, id: str, change: Any) -> httpx.Response:
    return await tenant.service.http.patch(f"{PATH}/{id}", json=change, headers=tenant.headers)


async def test_a_channel_is_made_read_changed_and_deleted(tenant: Tenant) -> None:
    id = await integration(tenant)
    made = await created(tenant, integration_id=id, is_default=True)
    assert (made["integration_id"], made["is_default"], made["is_active"]) == (id, True, True)
    path = f"{PATH}/{made['id']}"
    assert (await tenant.get(path)).json()["data"] == made
    assert (await tenant.get(PATH)).json() == {"data": [made], "nextCursor": None}
    change = {"name": "new", "config": {}, "is_default": False}
    changed = (await patch(tenant, made["id"], change)).json()["data"]
    assert changed == made | change
    http = tenant.service.http
    assert (await http.delete(path, headers=tenant.headers)).status_code == 204
    assert (await http.delete(path, headers=tenant.headers)).status_code == 404
    assert (await patch(tenant, made["id"], change)).status_code == 404
    subject = f"notification_channel/{made['id']}"
    audit = await tenant.sql(
        "select action from public.audit_log where subject = $1 order by at", subject
    )
    actions = [row["action"].partition(".")[2] for row in audit]
    assert actions == ["create", "update", "delete"]


async def test_a_channel_outlives_its_integration(tenant: Tenant) -> None:
    id = await integration(tenant)
    made = await created(tenant, integration_id=id)
    http = tenant.service.http
    gone = await http.delete(f"/v1/integrations/{id}", headers=tenant.headers)
    assert gone.status_code == 204
    found = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
    assert found["integration_id"] is None
    assert "it has no integration" in found["warnings"][0]
    other = await integration(tenant, "others")
    again = await patch(tenant, made["id"], {"integration_id": other})
    assert again.json()["data"]["integration_id"] == other


async def test_lists_come_a_page_at_a_time(tenant: Tenant) -> None:
    names = [(await created(tenant, name=f"n{number}"))["name"] for number in range(3)]
    first = (await tenant.get(PATH, limit=2)).json()
    second = (await tenant.get(PATH, limit=2, cursor=first["nextCursor"])).json()
    assert [each["name"] for each in first["data"] + second["data"]] == names


async def test_a_name_is_given_once_per_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    await created(tenant)
    await created(other_tenant)
    again = await tenant.post(PATH, body())
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    second = await created(tenant, name="second")
    renamed = await patch(tenant, second["id"], {"name": "on call"})
    assert (renamed.status_code, renamed.json()["code"]) == (409, "name_taken")


async def test_channel_and_integration_are_of_one_type(tenant: Tenant) -> None:
    id = await integration(tenant)
    other = await tenant.post(PATH, body(type="generic_webhook", integration_id=id))
    assert (other.status_code, other.json()["code"]) == (422, "type_mismatch")
    made = await created(tenant, type="generic_webhook")
    moved = await patch(tenant, made["id"], {"integration_id": id})
    assert (moved.status_code, moved.json()["code"]) == (422, "type_mismatch")
    retyped = await patch(tenant, made["id"], {"type": "pagerduty"})
    assert (retyped.status_code, retyped.json()["code"]) == (422, "type_fixed")


async def test_another_tenants_integration_is_none(tenant: Tenant, other_tenant: Tenant) -> None:
    theirs = await integration(other_tenant)
    for id in (theirs, UNKNOWN):
        response = await tenant.post(PATH, body(integration_id=id))
        assert (response.status_code, response.json()["code"]) == (422, "unknown_integration")
        assert response.json()["errors"][0]["pointer"] == "/integration_id"


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"name": ""}, "invalid_request", "/name"),
    "NUL in the name": ({"name": "a\0"}, "invalid_request", "/name"),
    "unknown type": ({"type": "pigeon"}, "unknown_type", "/type"),
    "unknown member": ({"colour": "red"}, "invalid_request", "/colour"),
    "no id": ({"integration_id": "17"}, "invalid_request", "/integration_id"),
    "a config that is none": ({"config": []}, "invalid_request", "/config"),
    "a config too large": ({"config": {"a": "b" * 70_000}}, "invalid_request", "/config"),
    "NUL in the config": ({"config": {"a": ["\0"]}}, "invalid_request", "/config"),
    "neither true nor false": ({"is_default": "maybe"}, "invalid_request", "/is_default"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_work_is_pointed_at(tenant: Tenant, name: str) -> None:
    changes, code, pointer = BAD[name]
    response = await tenant.post(PATH, body(**changes))
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert pointer in [each["pointer"] for each in response.json()["errors"]]
    assert (await tenant.get(PATH)).json()["data"] == []


async def test_what_nothing_goes_through_says_so(tenant: Tenant) -> None:
    id = await integration(tenant)
    made = await created(tenant, integration_id=id, is_default=True)
    assert (made["health"], made["warnings"]) == ("untested", [])
    http, path = tenant.service.http, f"/v1/integrations/{id}"
    off = await http.patch(path, json={"is_active": False}, headers=tenant.headers)
    assert "default channel 'on call'" in off.json()["warnings"][0]
    [listed] = (await tenant.get(PATH)).json()["data"]
    assert "its integration is switched off" in listed["warnings"][0]
    on = await http.patch(path, json={"is_active": True}, headers=tenant.headers)
    assert "warnings" not in on.json()
    await patch(tenant, made["id"], {"is_default": False})
    off = await http.patch(path, json={"is_active": False}, headers=tenant.headers)
    assert "warnings" not in off.json()
