"""Writes the deliveries that routing decides on: to be sent, or kept with a reason why not."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict
from uuid import UUID

from domain.notification.delivery import Reason
from domain.notification.routing import RoutedEvent
from storage.postgres.statement import Statements

Place = tuple[UUID, UUID | None, str, str]  # notification, integration, destination, recipient


class Route(NamedTuple):
    """One delivery of a notification to a channel and recipient. `options` is JSON text. With a
    `reason` the delivery is recorded and not sent."""

    notification_id: UUID
    channel_id: UUID | None
    channel_type: str | None
    recipient: str
    integration_id: UUID | None
    options: str
    destination: str
    alert_key: str | None
    action: str
    rank: int
    deadline_at: datetime
    reason: Reason | None = None

    @property
    def place(self) -> Place:
        """Where the delivery leads; a notification is sent to no place twice."""
        return self.notification_id, self.integration_id, self.destination, self.recipient

    @property
    def goes_out(self) -> bool:
        return self.reason is None


_TYPES = {"notification_id": "uuid", "channel_id": "uuid", "integration_id": "uuid"} | {
    "rank": "int",
    "deadline_at": "timestamptz",
}
_NAMES = Route._fields
_ARRAYS = ", ".join(
    f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(_NAMES, 2)
)


def _value(name: str) -> str:
    return "r.options::jsonb" if name == "options" else f"r.{name}"


_STATE = {
    "status": "case when r.reason is null then 'pending' else 'not_sent' end",
    "completed_at": "case when r.reason is not null then now() end",
    "next_attempt_at": "case when r.reason is null then now() end",
}
_KEPT = ("notification_id", "channel_id", "recipient")
_ANEW = {name: _value(name) for name in _NAMES if name not in _KEPT} | _STATE

_INSERT = f"""
insert into tenant.notification_deliveries (request_id, {", ".join([*_NAMES, *_STATE])})
select $1, {", ".join([*map(_value, _NAMES), *_STATE.values()])}
from unnest({_ARRAYS}) with ordinality as r ({", ".join(_NAMES)}, place)
order by r.place
on conflict (notification_id, channel_id, recipient) do nothing
"""
# Deliveries are marked by having no time for their next attempt. A resent one has no deadline
# either (`resend` in storage/notification/deliveries.py); the others are marked because their
# channel was changed (storage/notification/routing/channels.py).
_MARKED = """
select d.id as delivery_id, d.channel_id, d.recipient as told, d.deadline_at, d.request_id,
    case when d.deadline_at is null then now() end as resent_at,
    n.expires_at, n.origin, n.id, n.event_type, n.title, n.body, n.entity_type, n.entity_id,
    n.metadata, n.recipient, n.created_at
from tenant.notification_deliveries d join tenant.notifications n on n.id = d.notification_id
where d.request_id = $1 and d.completed_at is null and d.status <> 'sending'
    and d.next_attempt_at is null
order by d.id
"""
_REROUTE = f"""
update tenant.notification_deliveries d set updated_at = now(), {
    ", ".join(f"{name} = {value}" for name, value in _ANEW.items())
}
from unnest({_ARRAYS}) as r ({", ".join(_NAMES)})
where d.id = $1 and d.completed_at is null and d.status <> 'sending' and d.next_attempt_at is null
"""
_PLACES = """
select notification_id, integration_id, destination, recipient
from tenant.notification_deliveries
where notification_id = any($1) and status not in ('not_sent', 'cancelled', 'superseded')
    and not (completed_at is null and status <> 'sending' and next_attempt_at is null)
"""
_REMOVE = "delete from tenant.notification_deliveries where id = $1"


class MarkedDelivery(RoutedEvent):
    """A delivery that is to be routed again, and its notification. `told`: the recipient."""

    delivery_id: UUID
    channel_id: UUID | None
    told: str
    deadline_at: datetime | None
    request_id: UUID


class _Led(TypedDict):
    notification_id: UUID
    integration_id: UUID | None
    destination: str
    recipient: str


async def insert_routes(sql: Statements, request_id: UUID, routes: Sequence[Route]) -> None:
    """Insert the deliveries in this order; those that exist already are left alone."""
    if routes:
        await sql.run(_INSERT, request_id, *_columns(routes))


async def marked(sql: Statements, request_id: UUID) -> list[MarkedDelivery]:
    """The request's deliveries that are to be routed again."""
    return await sql.rows(MarkedDelivery, _MARKED, request_id)


async def places(sql: Statements, notifications: Collection[UUID]) -> set[Place]:
    """Where deliveries of the notifications lead or led, except those that were not sent, were
    cancelled or superseded, or are to be routed again."""
    rows = await sql.rows(_Led, _PLACES, list(notifications))
    return {
        (row["notification_id"], row["integration_id"], row["destination"], row["recipient"])
        for row in rows
    }


async def remove(sql: Statements, delivery_id: UUID) -> None:
    """Delete the record that no channel got an event, since routing has found channels now."""
    await sql.run(_REMOVE, delivery_id)


async def reroute(sql: Statements, delivery_id: UUID, route: Route) -> None:
    """Give a marked delivery its new route."""
    await sql.run(_REROUTE, delivery_id, *_columns([route]))


def _columns(routes: Sequence[Route]) -> list[list[object]]:
    return [list(column) for column in zip(*routes, strict=True)]
