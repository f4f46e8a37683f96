"""Notifications over HTTP: accepted with 202 and never lost from then on; read back with their
deliveries and every attempt."""

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
from api.notification.deliveries import send_again, with_attempts, with_deliveries
from api.page import InPage
from api.request_workflow import start_accepted, wake_requests
from domain.json_document import Json
from domain.notification.delivery import DeliveryStatus
from domain.notification.event import Event
from storage.notification import deliveries as delivery
from storage.notification import notifications as notification
from storage.notification.notifications import Wanted
from workflows.notification.messages import RequestRef
from workflows.notification.start import notification_id as workflow_id_of

router = APIRouter(prefix="/v1/notifications", tags=["notifications"])

_MOST = 1_000


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
    """Accept events. What is answered with 202 reaches its channels, or says why it did not."""

    async def accept(connection: AsyncConnection) -> Created:
        request_id = uuid4()
        accepted = await notification.accept(
            connection, caller.tenant_id, request_id, body.listed, caller.key_id
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
    """What an event is called here, and what the platform calls it."""
    return {"id": str(id), **({"eventId": event.id} if event.id else {})}


def _request_of(workflow_id: str) -> UUID:
    """The request of `notification/{id}`; one that nobody has where it is no such name."""
    try:
        return UUID(workflow_id.rpartition("/")[2])
    except ValueError:
        return UUID(int=0)


class Filter:
    """What to list; all conditions hold together."""

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
    """Newest first, each with its deliveries. `notes` say what of the event was not understood.
    Of a delivery, `reason` says why it was `not_sent`, `superseded` or `cancelled`; `restsUntil`
    until when its destination rests; `recipient` whom a mail goes to."""
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await notification.page(connection, only.wanted, page.wanted, page.after)
        shown = await with_deliveries(connection, rows)
    return page.answer(rows, shown)


@router.get("/{notification_id}")
async def get_notification(notification_id: UUID, context: InContext, caller: Reader) -> Json:
    """One notification with its deliveries and their attempts. Vendors' answers are shown to
    admins and operators only."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(await notification.find(connection, notification_id), "notification")
        return {"data": await with_attempts(connection, row, caller.role in OPERATE)}


@router.post("/{notification_id}/resend", status_code=202)
async def resend_notification(notification_id: UUID, context: InContext, caller: Operator) -> Json:
    """Send all its deliveries again, whatever became of them, and tell those channels of it that
    it would go to now; what stands in the way of one is its `reason` afterwards."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(await notification.find(connection, notification_id), "notification")
        await notification.route_again(connection, row["id"])
        found = await delivery.of_notifications(connection, [notification_id])
        requests = await send_again(connection, found)
    await wake_requests(context.temporal, caller.tenant_id, requests | {row["request_id"]})
    return await get_notification(notification_id, context, caller)
