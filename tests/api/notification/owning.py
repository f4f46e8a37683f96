"""Notification channels with a connection of their own, in the words of the HTTP API."""

from typing import Any

import httpx

from tests.service import Tenant

PATH = "/v1/notification-channels"
TOKEN = "xoxb-111111111111-2222222222222-TokenOfAChannelOfItsOwn"


def slack(**changes: Any) -> dict[str, Any]:
    config = {"botToken": TOKEN, "defaultChannel": "#ops"}
    return {"name": "ops", "type": "slack", "config": config} | changes


def at(url: str, **config: Any) -> dict[str, Any]:
    """The config of a connection to a Slack that runs here."""
    return {"botToken": TOKEN, "defaultChannel": "#ops", "baseUrl": f"{url}/api"} | config


async def made(tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    response = await tenant.post(PATH, body)
    assert response.status_code == 201, response.text
    row: dict[str, Any] = response.json()["data"]
    return row


async def seen(tenant: Tenant, id: str) -> dict[str, Any]:
    row: dict[str, Any] = (await tenant.get(f"{PATH}/{id}")).json()["data"]
    return row


async def patch(tenant: Tenant, id: str, body: Any, **headers: str) -> httpx.Response:
    http = tenant.service.http
    return await http.patch(f"{PATH}/{id}", json=body, headers=tenant.headers | headers)


async def delete(tenant: Tenant, id: str, **query: Any) -> httpx.Response:
    http = tenant.service.http
    return await http.delete(f"{PATH}/{id}", params=query, headers=tenant.headers)


async def headers_of(tenant: Tenant, role: str) -> dict[str, str]:
    """The headers of a request with a new key of that role."""
    made = await tenant.post("/v1/api-keys", {"name": role, "role": role})
    return {"Authorization": f"Bearer {made.json()['apiKey']}"}
