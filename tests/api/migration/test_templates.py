"""Mapping templates over HTTP."""

from typing import Any

import httpx
import pytest

from tests.service import Tenant

PATH = "/v1/migration/templates"
MAPPING = {
    "fieldMappings": [
        {"sourceField": "ref", "targetField": "external_id"},
        {"sourceField": "what", "targetField": "title", "transformation": "uppercase"},
        {"sourceField": "state", "targetField": "status", "defaultValue": "new"},
        {"sourceField": "prio", "targetField": "priority", "defaultValue": 3},
    ]
}
CSV = b"ref,what,state,prio\nA-1,Printer on fire,,\n"


def body(**changes: Any) -> dict[str, Any]:
    usual = {"name": "ours", "sourceSystem": "generic_csv", "entityType": "incident"}
    return usual | {"mapping": MAPPING} | changes


async def put(tenant: Tenant, id: str, **changes: Any) -> httpx.Response:
    return await tenant.service.http.put(
        f"{PATH}/{id}", json=body(**changes), headers=tenant.headers
    )


async def created(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    response = await tenant.post(PATH, body(**changes))
    assert response.status_code == 201, response.text
    template: dict[str, Any] = response.json()["data"]
    return template


async def test_a_template_is_made_read_replaced_and_deleted(tenant: Tenant) -> None:
    template = await created(tenant)
    shown = (await tenant.get(f"{PATH}/{template['id']}")).json()["data"]
    assert shown == template
    assert shown["mapping"] == MAPPING
    replaced = (await put(tenant, template["id"], name="new")).json()["data"]
    assert (replaced["id"], replaced["name"]) == (template["id"], "new")
    assert replaced["updatedAt"] > template["updatedAt"]
    http = tenant.service.http
    path = f"{PATH}/{template['id']}"
    assert (await http.delete(path, headers=tenant.headers)).status_code == 204
    assert (await tenant.get(path)).status_code == 404
    assert (await http.delete(path, headers=tenant.headers)).status_code == 404
    assert (await put(tenant, template["id"])).status_code == 404


async def test_lists_come_a_page_at_a_time(tenant: Tenant) -> None:
    names = [(await created(tenant, name=f"n{number}"))["name"] for number in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for size in (2, 2, 1):
        page = (await tenant.get(PATH, **query)).json()
        assert len(page["data"]) == size
        found += [each["name"] for each in page["data"]]
        query["cursor"] = page["nextCursor"]
    assert (found, page["nextCursor"]) == (names, None)


async def test_an_upload_uses_a_template(tenant: Tenant) -> None:
    template = await created(tenant)
    job = await tenant.migrate(CSV, mappingTemplateId=template["id"])
    (record,) = await tenant.records()
    assert job["status"] == "completed"
    assert (record["external_id"], record["title"]) == ("A-1", "PRINTER ON FIRE")
    assert (record["status"], record["priority"]) == ("new", 3)


async def test_a_template_of_another_entity_is_refused_if_it_cannot_work(tenant: Tenant) -> None:
    mapping = {"fieldMappings": [{"sourceField": "x", "targetField": "impact"}]}
    template = await created(tenant, mapping=mapping)
    response = await tenant.upload(CSV, entityType="request", mappingTemplateId=template["id"])
    assert (response.status_code, response.json()["code"]) == (422, "mapping_invalid")
    assert tenant.stored_files() == []


async def test_another_tenants_template_cannot_be_used(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    template = await created(other_tenant)
    response = await tenant.upload(CSV, mappingTemplateId=template["id"])
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_a_name_is_given_once_per_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    await created(tenant)
    await created(other_tenant)
    again = await tenant.post(PATH, body())
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    second = await created(tenant, name="second")
    renamed = await put(tenant, second["id"])
    assert (renamed.status_code, renamed.json()["code"]) == (409, "name_taken")


def fields(**mapping: Any) -> dict[str, Any]:
    usual = {"sourceField": "a", "targetField": "title"}
    return {"mapping": {"fieldMappings": [usual | mapping]}}


BAD = {
    "no name": ({"name": ""}, "invalid_request", "/name"),
    "unknown system": ({"sourceSystem": "abacus"}, "invalid_request", "/sourceSystem"),
    "unknown entity": ({"entityType": "spaceship"}, "invalid_request", "/entityType"),
    "unknown member": ({"colour": "red"}, "invalid_request", "/colour"),
    "unknown target": (
        fields(targetField="colour"),
        "mapping_invalid",
        "/fieldMappings/0/targetField",
    ),
    "unknown transformation": (
        fields(transformation="shout"),
        "invalid_request",
        "/mapping/fieldMappings/0/transformation",
    ),
    "default that is no status": (
        fields(targetField="status", defaultValue="purple"),
        "mapping_invalid",
        "/fieldMappings/0/defaultValue",
    ),
    "unknown zone": (
        {"mapping": {"sourceTimezone": "Mars/Olympus"}},
        "invalid_request",
        "/mapping/sourceTimezone",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_work_is_pointed_at(tenant: Tenant, name: str) -> None:
    changes, code, pointer = BAD[name]
    response = await tenant.post(PATH, body(**changes))
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert pointer in [each["pointer"] for each in response.json()["errors"]]
    assert (await tenant.get(PATH)).json()["data"] == []


async def send(tenant: Tenant, content: bytes) -> httpx.Response:
    headers = tenant.headers | {"Content-Type": "application/json"}
    return await tenant.service.http.post(PATH, content=content, headers=headers)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"name": ', 400, "json_malformed"),
        (b'{"name": "\xff"}', 400, "bad_request"),
        (b"[" * 100_000, 400, "bad_request"),
        (b'{"name": ' + b"9" * 5_000 + b"}", 400, "bad_request"),
        (b'{"name": NaN}', 422, "invalid_request"),
        (b'{"name": 1e999}', 422, "invalid_request"),
        (rb'{"name": "\ud800"}', 422, "invalid_request"),
        (b"", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
    ],
    ids=range(10),
)
async def test_a_body_that_is_no_template(
    tenant: Tenant, content: bytes, status: int, code: str
) -> None:
    response = await send(tenant, content)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_the_offset_of_a_fault_in_a_body_counts_bytes(tenant: Tenant) -> None:
    before = '{"name": "Zürich – Ost" '.encode()
    response = await send(tenant, before + b"x}")
    assert (response.json()["code"], response.json()["offset"]) == ("json_malformed", len(before))


async def test_what_postgresql_cannot_store_is_the_callers_fault(tenant: Tenant) -> None:
    response = await tenant.post(PATH, body(name="a\0b"))
    assert (response.status_code, response.json()["code"]) == (422, "value_not_storable")
    inside = await tenant.post(PATH, body(**fields(sourceField="a\0b")))
    assert (inside.status_code, inside.json()["code"]) == (422, "value_not_storable")


async def test_what_is_no_list_is_told_that_a_list_is_expected(tenant: Tenant) -> None:
    response = await tenant.post(PATH, body(mapping={"fieldMappings": {}}))
    [fault] = response.json()["errors"]
    assert fault == {"pointer": "/mapping/fieldMappings", "detail": "a list is expected"}
    many = fields(fallbackFields=["a"] * 11)
    [fault] = (await tenant.post(PATH, body(**many))).json()["errors"]
    assert fault["detail"].startswith("List should have at most 10 items")
