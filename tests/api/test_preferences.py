"""A user's preferences over HTTP; the rule itself is tested in tests/domain."""

from typing import Any

import httpx
import pytest

from tests.service import Tenant

PATH = "/v1/notification-preferences"
UNKNOWN = "019a0000-0000-7000-8000-000000000000"
DEFAULTS: dict[str, Any] = {
    "muted": False,
    "channels": None,
    "eventTypes": {"include": [], "exclude": []},
    "minSeverity": None,
}


async def put(tenant: Tenant, user: str, body: Any) -> httpx.Response:
    return await tenant.service.http.put(f"{PATH}/{user}", json=body, headers=tenant.headers)


async def channel(tenant: Tenant) -> str:
    body = {"name": "ours", "type": "pagerduty"}
    id: str = (await tenant.post("/v1/notification-channels", body)).json()["data"]["id"]
    return id


async def test_who_has_not_chosen_has_the_defaults(tenant: Tenant) -> None:
    response = await tenant.get(f"{PATH}/u-1")
    assert response.json() == {"data": {"userId": "u-1", **DEFAULTS, "updatedAt": None}}


async def test_a_choice_is_kept_and_replaced_whole(tenant: Tenant, other_tenant: Tenant) -> None:
    choice = {
        "muted": True,
        "channels": [await channel(tenant)],
        "eventTypes": {"include": ["incident.*"], "exclude": ["incident.created"]},
        "minSeverity": "warning",
    }
    answered = (await put(tenant, "u-1", choice)).json()["data"]
    assert {name: answered[name] for name in choice} == choice
    assert (await tenant.get(f"{PATH}/u-1")).json()["data"] == answered
    assert (await tenant.get(f"{PATH}/u-2")).json()["data"]["muted"] is False
    assert (await other_tenant.get(f"{PATH}/u-1")).json()["data"]["muted"] is False
    replaced = (await put(tenant, "u-1", {"channels": []})).json()["data"]
    assert {name: replaced[name] for name in DEFAULTS} == DEFAULTS | {"channels": []}
    assert replaced["updatedAt"] > answered["updatedAt"]


async def test_channels_exist(tenant: Tenant, other_tenant: Tenant) -> None:
    ours, theirs = await channel(tenant), await channel(other_tenant)
    response = await put(tenant, "u-1", {"channels": [ours, theirs, UNKNOWN]})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_channel")
    pointers = [each["pointer"] for each in response.json()["errors"]]
    assert pointers == ["/channels/1", "/channels/2"]
    assert (await tenant.get(f"{PATH}/u-1")).json()["data"]["updatedAt"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"muted": "maybe"}, "/muted"),
        ({"channels": ["17"]}, "/channels/0"),
        ({"minSeverity": "meh"}, "/minSeverity"),
        ({"eventTypes": {"include": ["*.created"]}}, "/eventTypes/include/0"),
        ({"eventTypes": {"exclude": ["a\0"]}}, "/eventTypes/exclude/0"),
        ({"eventTypes": {"include": ["a"] * 201}}, "/eventTypes/include"),
        ({"colour": "red"}, "/colour"),
        ([], ""),
    ],
)
async def test_what_is_no_choice_is_pointed_at(tenant: Tenant, body: Any, pointer: str) -> None:
    response = await put(tenant, "u-1", body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert pointer in [each["pointer"] for each in response.json()["errors"]]


@pytest.mark.parametrize(
    ("word", "level"),
    [("High", "error"), ("sev 1", "critical"), ("P4", "info"), ("warn", "warning")],
)
async def test_severities_are_taken_in_the_words_of_the_field(
    tenant: Tenant, word: str, level: str
) -> None:
    made = await put(tenant, "u-1", {"minSeverity": word})
    assert (made.status_code, made.json()["data"]["minSeverity"]) == (200, level)
    refused = await put(tenant, "u-1", {"minSeverity": f"{word} or so"})
    assert refused.status_code == 422
    assert "moderate" in refused.text  # it says which words are known


@pytest.mark.parametrize("user", ["a%00b", "u" * 201])
async def test_a_user_that_cannot_be_is_pointed_at(tenant: Tenant, user: str) -> None:
    for response in (await put(tenant, user, {}), await tenant.get(f"{PATH}/{user}")):
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert response.json()["errors"][0]["pointer"] == "/user_id"


async def test_any_id_of_the_platform_is_a_user(tenant: Tenant) -> None:
    for user in ("a b", "ä", "a@example.com", "null", "'; drop table x; --"):
        assert (await put(tenant, user, {"muted": True})).json()["data"]["userId"] == user
        assert (await tenant.get(f"{PATH}/{user}")).json()["data"]["muted"] is True
