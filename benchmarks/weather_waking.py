"""Whether the service itself wakes waiting deliveries, in real time and without signals from here.

Each time a delivery waits for an hour, by its row in the database. Then something happens that is a
reason to send it at once; the figure is the number of seconds until it has been sent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from receivers.receiver import Reply
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

WOKEN_SECONDS = 10.0
_SETTLED = 8.0  # seconds; the workflow's first wait is over then, and it sleeps for an hour
_HOUR_OFF = (
    "update notification_deliveries set next_attempt_at = now() + interval '1 hour'"
    " where completed_at is null",
    "update delivery_rates set probe_at = now() + interval '1 hour' where probe_at is not null",
)


class Waiting:
    """A tenant with one webhook, whose receiver answers as it is told here."""

    def __init__(self, tenant: Tenant, receiver: WebhookReceiver, path: str) -> None:
        self.tenant, self.receiver, self.path = tenant, receiver, path

    async def refused(self) -> str:
        """Post an event that is refused, and set its next attempt to an hour from now; its id."""
        self.receiver.always = Reply(403)
        [id] = await n.notify(self.tenant)
        await n.deliveries(self.tenant, id, lambda found: any(e["attempts"] for e in found))
        for statement in _HOUR_OFF:
            await self.tenant.sql(statement)
        await asyncio.sleep(_SETTLED)
        self.receiver.always = None
        return id

    async def seconds(self, id: str, act: Callable[[], Awaitable[Any]]) -> float:
        """Seconds from the act until the delivery has ended; 60 if it takes too long."""
        began = time.monotonic()
        await act()
        try:
            await n.deliveries(self.tenant, id)
        except TimeoutError:
            return 60.0
        return round(time.monotonic() - began, 1)

    async def change(self) -> None:
        await self.tenant.patch(self.path, {"description": f"changed at {time.time()}"})

    async def test(self) -> None:
        response = await self.tenant.post(f"{self.path}/test")
        assert response.json()["data"]["success"], response.text

    async def switch(self) -> None:
        await self.tenant.patch(self.path, {"is_active": True})


async def woken(tenant: Tenant, receiver: WebhookReceiver) -> dict[str, float]:
    """For each reason to send, the seconds until a waiting delivery has been sent."""
    made = await n.webhook(tenant, receiver)
    waiting = Waiting(tenant, receiver, f"/v1/integrations/{made}")
    took = {"change": await waiting.seconds(await waiting.refused(), waiting.change)}
    took["test"] = await waiting.seconds(await waiting.refused(), waiting.test)
    took["success"] = await _by_success(waiting)
    await tenant.patch(waiting.path, {"is_active": False})
    [id] = await n.notify(tenant)
    await asyncio.sleep(_SETTLED)
    took["switched_on"] = await waiting.seconds(id, waiting.switch)
    return took


async def _by_success(waiting: Waiting) -> float:
    """Seconds until a success wakes a delivery: one delivery waits for its destination's probe, and
    another is resent, which is that probe."""
    first = await waiting.refused()
    [second] = await n.notify(waiting.tenant)  # not sent, as its destination is in doubt
    await waiting.tenant.sql(
        "update notification_deliveries set next_attempt_at = now()"
        " where completed_at is null and notification_id = $1::uuid",
        first,
    )
    [resent] = await n.deliveries(waiting.tenant, second, bool)

    async def resend() -> None:
        await waiting.tenant.post(f"/v1/deliveries/{resent['id']}/resend")

    return await waiting.seconds(first, resend)
