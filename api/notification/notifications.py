"""Endpoints of notifications: accept events, read them back with their deliveries and attempts,
send them again."""

from functools import partial
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, Discriminator, Field, RootModel, Tag
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import OPERATE, Notifier, Operator, Reader
from api.context import InContext
from api.errors import require_found
from api.idempotency import Created, IdempotencyKey, IdempotentRequest, create_once, request_hash
from api.notification.delivery_actions import send_again
from api.notification.view import with_attempts, with_deliveries
from api.page import InPage
from api.request_workflow import start_accepted, wake_requests
from domain.json_document import Json
from domain.notification.delivery import DeliveryStatus
from domain.notification.event import Event
from storage.notification import deliveries as delivery
from storage.notification import notifications as notification
from storage.notification.notifications import Sender, Wanted
from workflows.notification.messages import RequestRef
from workflows.notification.start import notification_id as workflow_id_of

router = APIRouter(prefix="/v1/notifications", tags=["notifications"])

_MOST = 1_000  # events in one request


One = Annotated[Event, Tag("<one>")]
Many = Annotated[list[Event], Field(min_length=1, max_length=_MOST), Tag("<many>")]


class Events(
    RootModel[
        Annotated[
            One | Many,
            Discriminator(lambda body: "<many>" if isinstance(body, list) else "<one>"),
        ]
    ]
):
    """One event, or up to 1,000 that are accepted together or not at all."""

    @property
    def listed(self) -> list[Event]:
        return self.root if isinstance(self.root, list) else [self.root]


@router.post("", status_code=202)
async def notify(
    body: Events, context: InContext, caller: Notifier, idempotency_key: IdempotencyKey = None
) -> Response:
    """Accept events, and notify the channels that they are routed to.

    Needs a key of the role admin, operator or notifier. Send one event, or a list of up to 1,000
    events, which is accepted as a whole or refused with a pointer to every fault.

    Answers 202 once the events are stored: from then on every event is delivered, also after
    crashes, or its record says why it was not. `data` has the `id` of each notification, in the
    order of the events; an event with a known `dedupKey` is not sent again, and gets the id of the
    first one. `workflowId` names the request in the list of notifications and in Temporal; it is
    null if no event was new. 422 `invalid_request` if an event does not have the expected form.
    """

    async def accept(connection: AsyncConnection) -> Created:
        request_id = uuid4()
        accepted = await notification.accept(
            connection, caller.tenant_id, request_id, body.listed, Sender(caller.key_id)
        )
        data = [*map(_taken, accepted.ids, body.listed)]
        if not accepted.new:
            return Created({"data": data, "workflowId": None})
        ref = RequestRef(tenant_id=caller.tenant_id, request_id=str(request_id))
        start = partial(start_accepted, context.temporal, ref, body.listed)
        return Created({"data": data, "workflowId": workflow_id_of(request_id)}, then=start)

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    return await create_once(request, request_hash(body.model_dump(mode="json")), accept, 202)


def _taken(id: UUID, event: Event) -> dict[str, str]:
    """The id of the notification, and the id that the sender gave the event, if any."""
    return {"id": str(id), **({"eventId": event.id} if event.id else {})}


def _request_of(workflow_id: str) -> UUID:
    """The request id in a workflow id `notification/{id}`; an id that matches no request if the
    text has another form."""
    try:
        return UUID(workflow_id.rpartition("/")[2])
    except ValueError:
        return UUID(int=0)


class Filter:
    """Query parameters of the list; a notification is listed if it meets all of them."""

    def __init__(
        self,
        workflow_id: Annotated[str | None, Query(alias="workflowId", max_length=100)] = None,
        status: DeliveryStatus | None = None,
        channel: Annotated[str | None, Query(max_length=100)] = None,
        event_type: Annotated[str | None, Query(alias="eventType", max_length=100)] = None,
        since: AwareDatetime | None = None,
    ) -> None:
        self.wanted: Wanted = {
            "request_id": None if workflow_id is None else _request_of(workflow_id),
            "status": status,
            "channel_type": channel,
            "event_type": event_type,
            "since": since,
        }


@router.get("")
async def list_notifications(
    context: InContext, caller: Reader, page: InPage, only: Annotated[Filter, Depends()]
) -> Json:
    """List the tenant's notifications, newest first, each with its deliveries.

    Needs a key of the role admin, operator or viewer. `status` and `channel` (a channel type) list
    the notifications that have a delivery of this status and type; `eventType` must match exactly;
    `since` is the earliest time of acceptance; `workflowId` is that of one request.

    `notes` of a notification say what in the event was not understood. Of a delivery, `reason` says
    why it was `not_sent`, `superseded` or `cancelled`, or what it waits for; `restsUntil` is the
    time until which the vendor asked for a pause; `recipient` is the address a mail goes to.

    Answers one page: up to `limit` notifications in `data`, and in `nextCursor` the `cursor` of the
    next page, or null on the last one.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await notification.page(connection, only.wanted, page.wanted, page.after)
        shown = await with_deliveries(connection, rows)
    return page.answer(rows, shown)


@router.get("/{notification_id}")
async def get_notification(notification_id: UUID, context: InContext, caller: Reader) -> Json:
    """Read one notification with its deliveries and all their attempts.

    Needs a key of the role admin, operator or viewer. Each delivery lists its attempts in `log`.
    What was sent and what the vendor answered is shown to the roles admin and operator only. 404 if
    the tenant has no such notification.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(await notification.find(connection, notification_id), "notification")
        return {"data": await with_attempts(connection, row, caller.role in OPERATE)}


@router.post("/{notification_id}/resend", status_code=202)
async def resend_notification(notification_id: UUID, context: InContext, caller: Operator) -> Json:
    """Send all deliveries of a notification again, whatever became of them.

    Needs a key of the role admin or operator. Channels that the event would be routed to by now,
    and was not, get it too. Deliveries that are being sent at this moment are left alone. A
    delivery that had arrived may arrive twice: to repair one channel, resend its delivery instead.

    Answers 202 with the notification as it is now; if something still keeps a delivery from being
    sent, its `reason` will say what. 404 if the tenant has no such notification.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(await notification.find(connection, notification_id), "notification")
        await notification.route_again(connection, row["id"])
        found = await delivery.of_notifications(connection, [notification_id])
        requests = await send_again(connection, found)
    await wake_requests(context.temporal, caller.tenant_id, requests | {row["request_id"]})
    return await get_notification(notification_id, context, caller)
