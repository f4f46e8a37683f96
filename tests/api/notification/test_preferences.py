"""A user's preferences over HTTP; the rule itself is tested in tests/domain."""

import asyncio
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
    "choices": [],
}


async def put(tenant: Tenant, user: str, body: Any) -> httpx.Response:
    return await tenant.service.http.put(f"{PATH}/{user}", json=body, headers=tenant.headers)


async def channel(tenant: Tenant, name: str = "ours") -> str:
    body = {"name": name, "type": "pagerduty"}
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


class TestDeletingAChannel:
    """A channel that users have chosen is not deleted silently."""

    async def delete(self, tenant: Tenant, id: str, **query: Any) -> httpx.Response:
        path = f"/v1/notification-channels/{id}"
        http = tenant.service.http
        return await http.delete(path, params=query, headers=tenant.headers)

    async def chosen(self, tenant: Tenant, user: str) -> Any:
        return (await tenant.get(f"{PATH}/{user}")).json()["data"]["channels"]

    async def test_is_refused_while_it_is_chosen(self, tenant: Tenant) -> None:
        ours, other = await channel(tenant), await channel(tenant, "other")
        for user, choice in (("u-1", [ours]), ("u-2", [other, ours]), ("u-3", [other])):
            await put(tenant, user, {"channels": choice, "muted": True})
        refused = await self.delete(tenant, ours)
        assert (refused.status_code, refused.json()["code"]) == (409, "channel_in_use")
        assert refused.json()["users"] == 2
        assert "2 users" in refused.json()["detail"]
        assert "force=true" in refused.json()["detail"]
        assert (await tenant.get(f"/v1/notification-channels/{ours}")).status_code == 200
        assert await self.chosen(tenant, "u-1") == [ours]
        await put(tenant, "u-1", {"channels": []})
        await put(tenant, "u-2", {"channels": [other]})
        assert (await self.delete(tenant, ours)).status_code == 204

    async def test_by_force_takes_it_out_and_says_so(self, tenant: Tenant) -> None:
        ours, other = await channel(tenant), await channel(tenant, "other")
        for user, choice in (("u-1", [ours]), ("u-2", [other, ours]), ("u-3", [other])):
            await put(tenant, user, {"channels": choice, "minSeverity": "error"})
        done = await self.delete(tenant, ours, force=True)
        assert (done.status_code, done.json()["data"]["users"]) == (200, ["u-1", "u-2"])
        # A user who has chosen no other channel gets the default channels again.
        assert await self.chosen(tenant, "u-1") is None
        assert await self.chosen(tenant, "u-2") == [other]
        assert await self.chosen(tenant, "u-3") == [other]
        kept = (await tenant.get(f"{PATH}/u-2")).json()["data"]
        assert kept["minSeverity"] == "error"
        audit = await tenant.sql(
            "select subject from public.audit_log where action = 'notification_preferences.update'"
            " and tenant_id = $1 order by at",
            tenant.id,
        )
        assert [row[0].partition("/")[2] for row in audit][3:] == ["u-1", "u-2"]

    async def test_nobodys_choice_needs_no_force(self, tenant: Tenant) -> None:
        ours = await channel(tenant)
        await put(tenant, "u-1", {"channels": None})
        assert (await self.delete(tenant, ours, force=True)).status_code == 204
        assert (await self.delete(tenant, ours, force=True)).status_code == 404

    async def test_a_choice_at_the_same_time_is_not_lost(self, tenant: Tenant) -> None:
        """Either the choice was first, and the channel stays, or the channel is unknown."""
        for number in range(10):
            ours = await channel(tenant, f"n{number}")
            deleted, chose = await asyncio.gather(
                self.delete(tenant, ours), put(tenant, "u-1", {"channels": [ours]})
            )
            codes = (deleted.status_code, chose.status_code)
            assert codes in ((204, 422), (409, 200)), codes
            await put(tenant, "u-1", {"channels": []})
