"""Endpoints that resend and cancel deliveries. They are read with their notification:
`GET /v1/notifications/{id}` (notifications.py)."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import OPERATE, Operator
from api.context import InContext
from api.errors import ApiError, require_found
from api.notification.view import with_attempts, without_attempts
from api.request_workflow import wake_requests
from domain.json_document import Json
from storage.notification import deliveries as delivery
from storage.notification import notifications as notification
from storage.notification import parked as waiting
from storage.notification.rows import Delivery

router = APIRouter(prefix="/v1/deliveries", tags=["notifications"])


@router.post("/{delivery_id}/resend", status_code=202)
async def resend(delivery_id: UUID, context: InContext, caller: Operator) -> Json:
    """Send a delivery again, whatever became of it.

    Needs a key of the role admin or operator. The delivery is routed anew, through its channel,
    options, integration and recipients as they are now, with a new schedule of retries and a new
    deadline. It is sent in its turn within the rate, also if the vendor asked for a pause; if it
    had arrived already, it may arrive twice.

    Answers 202 with the delivery as it is now; if something still keeps it from being sent, its
    `reason` will say what. 404 if the tenant has no such delivery; 409 `invalid_state` while it is
    being sent.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await delivery.find(connection, delivery_id), "delivery")
        requests = await send_again(connection, [found])
    if not requests:
        raise ApiError("invalid_state", "the delivery is being sent at this moment")
    await wake_requests(context.temporal, caller.tenant_id, requests)
    return await _to_response_now(context, caller, found)


@router.post("/{delivery_id}/cancel", status_code=202)
async def cancel(delivery_id: UUID, context: InContext, caller: Operator) -> Json:
    """Cancel a delivery that is not over.

    Needs a key of the role admin or operator. No further attempt is made; one that is being made at
    this moment may still arrive. Answers 202 with the delivery, whose status is `cancelled`. 404 if
    the tenant has no such delivery; 409 `invalid_state` if it is over already.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await delivery.find(connection, delivery_id), "delivery")
        if not await delivery.cancel(connection, delivery_id):
            raise ApiError("invalid_state", f"the delivery is {found['status']} already")
        await waiting.note_wakes(connection, {found["request_id"]})
    await wake_requests(context.temporal, caller.tenant_id, {found["request_id"]})
    return await _to_response_now(context, caller, found)


async def send_again(connection: AsyncConnection, found: Sequence[Delivery]) -> set[UUID]:
    """Have deliveries routed anew and sent, except those being sent; the ids of their requests, to
    be woken."""
    requests = await delivery.resend(connection, [each["id"] for each in found])
    await waiting.note_wakes(connection, requests)
    return requests


async def _to_response_now(context: InContext, caller: Operator, found: Delivery) -> Json:
    """The delivery as it is now, with its attempts."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(
            await notification.find(connection, found["notification_id"]), "notification"
        )
        shown = await with_attempts(connection, row, caller.role in OPERATE)
    mine = (each for each in shown["deliveries"] if each["id"] == str(found["id"]))
    # A resent delivery without a channel is removed once the event is routed to channels instead.
    return {"data": next(mine, None) or without_attempts(found)}
