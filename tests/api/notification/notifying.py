"""A tenant whose integrations lead to receivers on this machine."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from domain.notification.delivery import OPEN
from receivers.receiver import Receiver, serving
from tests.service import Tenant

R = TypeVar("R", bound=Receiver)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
EVENT = {"eventType": "incident.created", "title": "Printer on fire", "body": "Third floor"}


async def integration(tenant: Tenant, type: str, config: dict[str, Any], name: str = "") -> str:
    """Create an integration; its id."""
    body = {"name": name or f"{type} {config.get('url', '')}", "type": type, "config": config}
    response = await tenant.post("/v1/integrations", body)
    assert response.status_code == 201, response.text
    id: str = response.json()["data"]["id"]
    return id


async def channel(
    tenant: Tenant, integration_id: str, type: str, *, is_default: bool = True, **more: Any
) -> str:
    """Create a notification channel; its id."""
    body = {"name": f"to {integration_id}", "type": type, "integration_id": integration_id}
    response = await tenant.post(
        "/v1/notification-channels", body | {"is_default": is_default} | more
    )
    assert response.status_code == 201, response.text
    id: str = response.json()["data"]["id"]
    return id


async def webhook(tenant: Tenant, receiver: Receiver, **config: Any) -> str:
    """An integration that sends to the receiver, and its default channel; the integration's id."""
    name = config.pop("name", receiver.url)
    values = {"url": f"{receiver.url}/hook", "secret": SECRET} | config
    made = await integration(tenant, "generic_webhook", values, name)
    await channel(tenant, made, "generic_webhook")
    return made


async def notify(tenant: Tenant, *events: dict[str, Any], **changed: Any) -> list[str]:
    """Post events, or the usual one with changes; returns their ids."""
    body = [*events] if events else EVENT | changed
    response = await tenant.post("/v1/notifications", body)
    assert response.status_code == 202, response.text
    return [each["id"] for each in response.json()["data"]]


async def notification(tenant: Tenant, id: str) -> dict[str, Any]:
    response = await tenant.get(f"/v1/notifications/{id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["data"]
    return found


async def deliveries(
    tenant: Tenant, id: str, until: Callable[[list[dict[str, Any]]], bool] | None = None
) -> list[dict[str, Any]]:
    """Wait until a notification's deliveries meet the condition (by default: all over)."""

    def over(found: list[dict[str, Any]]) -> bool:
        return bool(found) and not any(each["status"] in OPEN for each in found)

    found: list[dict[str, Any]] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(120):
            while True:
                found = (await notification(tenant, id))["deliveries"]
                if (until or over)(found):
                    return found
                await asyncio.sleep(0.02)
    raise AssertionError(f"after two minutes still {found}")


@asynccontextmanager
async def receiving(tenant: Tenant, receiver: R, number: int = 0) -> AsyncIterator[R]:
    """Serve the receiver at a port that EGRESS_ALLOW lists."""
    async with serving(receiver, tenant.service.receiver_ports[number]):
        yield receiver
