"""The description of the API, and what routing itself answers."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.service import Service, Tenant


@pytest.fixture(scope="module")
async def schema(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = (await service.http.get("/openapi.json")).json()
    return found


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for path in schema["paths"].values() for each in path.values()]


def test_is_valid(schema: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(schema).iter_errors()) == []


def test_every_operation_says_how_it_fails(schema: dict[str, Any]) -> None:
    for operation in operations(schema):
        problem = operation["responses"]["default"]["content"]["application/problem+json"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert "422" not in operation["responses"]
    assert schema["components"]["schemas"]["Problem"]["required"][-2:] == ["code", "detail"]


def test_everything_but_health_and_calls_of_vendors_needs_a_key(schema: dict[str, Any]) -> None:
    open_to_all = {
        path
        for path, methods in schema["paths"].items()
        for each in methods.values()
        if "security" not in each
    }
    assert open_to_all == {"/healthz", "/metrics", "/readyz", "/v1/inbound/{integration_id}"}


def test_the_upload_is_described_as_a_form(schema: dict[str, Any]) -> None:
    upload = schema["paths"]["/v1/migration/upload"]["post"]
    form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["required"]) == {"sourceSystem", "entityType", "file"}
    assert list(form["properties"])[-1] == "file"
    assert {"201", "202", "default"} <= upload["responses"].keys()


def test_every_creation_takes_an_idempotency_key(schema: dict[str, Any]) -> None:
    creating = [each for each in operations(schema) if "201" in each["responses"]]
    assert len(creating) == 6
    for each in creating:
        assert "Idempotency-Key" in [parameter["name"] for parameter in each["parameters"]]


async def test_the_docs_are_served(service: Service) -> None:
    assert (await service.http.get("/docs")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/migration/a/b", "/v1/%00", "/%ff"]
)
async def test_an_unknown_route_is_a_problem(service: Service, path: str) -> None:
    response = await service.http.get(path)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.json()["type"] == "urn:firelater:problem:not_found"


async def test_a_wrong_method_is_a_problem(service: Service) -> None:
    response = await service.http.delete("/v1/migration")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET"
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_id_that_is_none_is_pointed_at(tenant: Tenant) -> None:
    response = await tenant.get("/v1/migration/17")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/job_id")


UI = "http://temporal.invalid"
ASKING = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
}


class TestCodec:
    async def test_is_open_to_pages_of_the_temporal_ui(self, service: Service) -> None:
        asked = await service.http.options("/codec/decode", headers={"Origin": UI, **ASKING})
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == UI
        response = await service.http.post(
            "/codec/decode",
            json={"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}]},
            headers={"Origin": UI, "Authorization": f"Bearer {service.admin_key}"},
        )
        assert response.headers["access-control-allow-origin"] == UI
        assert response.json()["payloads"][0]["data"] == "MQ=="

    @pytest.mark.parametrize(
        "origin", ["http://evil.invalid", "http://temporal.invalid:81", "null"]
    )
    async def test_is_closed_to_other_pages(self, service: Service, origin: str) -> None:
        headers = {"Origin": origin, **ASKING}
        response = await service.http.options("/codec/decode", headers=headers)
        assert "access-control-allow-origin" not in response.headers

    async def test_nothing_else_is_open_to_any_page(self, service: Service) -> None:
        response = await service.http.get("/healthz", headers={"Origin": UI})
        assert "access-control-allow-origin" not in response.headers

    @pytest.mark.parametrize("content", [b"", b"{", b'{"payloads": 1}', b"\xff"])
    async def test_refuses_what_is_no_payload(self, service: Service, content: bytes) -> None:
        headers = {"Authorization": f"Bearer {service.admin_key}"}
        response = await service.http.post("/codec/decode", content=content, headers=headers)
        assert (response.status_code, response.json()["code"]) == (422, "payload_invalid")
