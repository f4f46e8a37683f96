"""Endpoints that resend and cancel deliveries, and the JSON of notifications with deliveries."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from uuid import UUID

from fastapi import APIRouter
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import OPERATE, Operator
from api.context import InContext
from api.errors import ApiError, require_found
from api.request_workflow import wake_requests
from domain.json_document import Json
from domain.notification.delivery import DeliveryStatus, Reason
from domain.notification.message import notes
from storage.notification import deliveries as delivery
from storage.notification import notifications as notification
from storage.notification import parked as waiting
from storage.notification.notifications import Notification
from storage.notification.rows import Delivery, WaitingDelivery

router = APIRouter(prefix="/v1/deliveries", tags=["notifications"])

_OF_NOTIFICATION = (
    *(
        "id",
        "event_id",
        "event_type",
        "title",
        "body",
        "entity_type",
        "entity_id",
        "metadata",
        "dedup_key",
    ),
    *("severity", "expires_at", "created_at"),
)
_OF_DELIVERY = (
    *("id", "channel_id", "channel_type", "integration_id", "destination", "recipient", "status"),
    *("reason", "attempts", "next_attempt_at", "rests_until", "deadline_at", "last_class"),
    *("last_error", "reference"),
    *("created_at", "updated_at", "completed_at"),
)
_OF_ATTEMPT = (
    *("no", "started_at", "completed_at", "class", "maybe_sent", "status_code", "latency_ms"),
    *("error", "next_attempt_at"),
)
_FOR_OPERATORS = ("request", "response")
_camel = cache(to_camel)  # a page has thousands of values, under a few names


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


async def with_deliveries(connection: AsyncConnection, rows: Sequence[Notification]) -> list[Json]:
    """Notifications as lists show them: with deliveries, without attempts."""
    found: dict[UUID, list[WaitingDelivery]] = defaultdict(list)
    for each in await delivery.of_notifications(connection, [row["id"] for row in rows]):
        found[each["notification_id"]].append(each)
    return [
        _to_response(row, [_delivery_to_response(each) for each in found[row["id"]]])
        for row in rows
    ]


async def with_attempts(connection: AsyncConnection, row: Notification, is_operator: bool) -> Json:
    """One notification with its deliveries, each with its attempts as `log`.

    With `is_operator`, attempts include what was sent and what the vendor answered.
    """
    deliveries = await delivery.of_notifications(connection, [row["id"]])
    attempts: dict[UUID, list[Json]] = defaultdict(list)
    fields = (*_OF_ATTEMPT, *_FOR_OPERATORS) if is_operator else _OF_ATTEMPT
    for each in await delivery.attempts_of(connection, [each["id"] for each in deliveries]):
        attempts[each["delivery_id"]].append(_part(each, fields))
    shown = [_delivery_to_response(each) | {"log": attempts[each["id"]]} for each in deliveries]
    return _to_response(row, shown)


async def _to_response_now(context: InContext, caller: Operator, found: Delivery) -> Json:
    """The delivery as it is now, with its attempts."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(
            await notification.find(connection, found["notification_id"]), "notification"
        )
        shown = await with_attempts(connection, row, caller.role in OPERATE)
    mine = (each for each in shown["deliveries"] if each["id"] == str(found["id"]))
    # A resent delivery without a channel is removed once the event is routed to channels instead.
    return {"data": next(mine, None) or _part({**found, "rests_until": None}, _OF_DELIVERY)}


def _to_response(row: Notification, deliveries: list[Json]) -> Json:
    user = row["recipient"]
    told = {"user": user, "notes": notes(row["metadata"], user), "deliveries": deliveries}
    return _part(row, _OF_NOTIFICATION) | told


def _delivery_to_response(row: WaitingDelivery) -> Json:
    """A finished delivery shows no next attempt, whatever its row still holds.

    For a waiting one the next attempt is the latest of its own time, the end of its destination's
    rest and the destination's probe. If its integration is switched off, `reason` says so.
    """
    if row["completed_at"]:
        return _part(row | {"next_attempt_at": None, "rests_until": None}, _OF_DELIVERY)
    if row["status"] != DeliveryStatus.SENDING:
        times = (row["next_attempt_at"], row["rests_until"], row["probe_at"])
        next = max((time for time in times if time is not None), default=None)
        off = Reason.INTEGRATION_OFF if row["is_on"] is False else row["reason"]
        row = row | {"next_attempt_at": next, "reason": off}
    return _part(row, _OF_DELIVERY)


def _part(row: Mapping[str, object], names: Sequence[str]) -> Json:
    shown: Json = {}
    for name in names:
        value = row[name]
        shown[_camel(name)] = str(value) if isinstance(value, UUID) else value
    return shown
