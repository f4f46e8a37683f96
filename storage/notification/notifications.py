"""Accepted notifications: all events of a request and its outbox row are written together."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from domain.notification.event import Event, StoredEvent, stated_severity
from domain.tenant import TenantId
from storage.notification.outbox import note_start
from storage.notification.parked import note_wakes
from storage.notification.tables import notification_deliveries as deliveries
from storage.notification.tables import notifications
from storage.postgres.database import statements
from storage.postgres.rows import find_row, rows_of
from storage.postgres.statement import as_json

# Ids made by uuidv7() in one statement grow, so the ids have the order of the events.
_INSERT = """
insert into tenant.notifications (request_id, event_id, event_type, title, body, entity_type,
    entity_id, metadata, recipient, dedup_key, severity, expires_at, created_by, origin)
select $1, e.event_id, e.event_type, e.title, e.body, e.entity_type, e.entity_id,
    coalesce(e.metadata, '{}'), e.recipient, e.dedup_key, e.severity, e.expires_at, $3, $4
from jsonb_to_recordset($2) as e (event_id text, event_type text, title text, body text,
    entity_type text, entity_id text, metadata jsonb, recipient jsonb, dedup_key text,
    severity text, expires_at timestamptz)
on conflict (dedup_key) where dedup_key is not null do nothing
returning id, dedup_key
"""


class Notification(StoredEvent):
    """A row of notifications."""

    request_id: UUID
    dedup_key: str | None
    severity: str | None
    expires_at: datetime | None
    created_by: str
    routed_at: datetime | None
    event_id: str | None
    origin: UUID | None


class Wanted(TypedDict, total=False):
    """Filters of a list of notifications; None does not filter."""

    request_id: UUID | None
    event_type: str | None
    since: datetime | None
    status: str | None
    channel_type: str | None


class _Made(TypedDict):
    id: UUID
    dedup_key: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The ids of a request's events, in the order of the request; `new` counts those that were
    written, without the events that were known by their `dedup_key`."""

    ids: list[UUID]
    new: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request: `by` is the id of an API key, or says what else it was. `origin` is the
    integration in whose tool a person did what the events tell, if so."""

    by: str
    origin: UUID | None = None


async def accept(
    connection: AsyncConnection,
    tenant_id: TenantId,
    request_id: UUID,
    events: list[Event],
    sender: Sender,
) -> Accepted:
    """Write the events, and the outbox row that has their request started, in the caller's
    transaction.

    An event whose `dedup_key` is known is not written again: it gets the id of the first one.
    """
    sql = await statements(connection)
    rows = as_json([_values(event) for event in events])
    values = (request_id, rows, sender.by, sender.origin)
    made = sorted(await sql.rows(_Made, _INSERT, *values), key=lambda row: row["id"])
    plain = iter([row["id"] for row in made if row["dedup_key"] is None])
    keys = [event.dedup_key for event in events if event.dedup_key is not None]
    known = await _ids_of_keys(connection, keys) if keys else {}
    if made:
        await note_start(sql, tenant_id, request_id, len(made))
    ids = [next(plain) if each.dedup_key is None else known[each.dedup_key] for each in events]
    return Accepted(ids, len(made))


def _values(event: Event) -> Json:
    severity = stated_severity(event.event_type, event.metadata)
    user = event.addressee.model_dump(mode="json", by_alias=True) if event.addressee else None
    values = event.model_dump(mode="json", by_alias=False, exclude={"id", "user", "user_id"})
    return values | {"event_id": event.id, "recipient": user, "severity": severity}


async def _ids_of_keys(connection: AsyncConnection, keys: list[str]) -> dict[str, UUID]:
    found = await connection.execute(
        select(notifications.c.dedup_key, notifications.c.id).where(
            notifications.c.dedup_key.in_(keys)
        )
    )
    return {str(row.dedup_key): row.id for row in found}


async def find(connection: AsyncConnection, notification_id: UUID) -> Notification | None:
    return await find_row(connection, Notification, notifications, notification_id)


async def route_again(connection: AsyncConnection, notification_id: UUID) -> None:
    """Have the notification routed again: to the channels that it would go to now, in addition to
    those that it went to before."""
    found = await connection.execute(
        update(notifications)
        .where(notifications.c.id == notification_id)
        .values(routed_at=None)
        .returning(notifications.c.request_id)
    )
    await note_wakes(connection, set(found.scalars()))


async def page(
    connection: AsyncConnection, wanted: Wanted, limit: int, before: UUID | None
) -> list[Notification]:
    """One page of notifications, newest first, older than `before` (an id) if given."""
    query = select(notifications).order_by(notifications.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(notifications.c.id < before)
    request_id, event_type = wanted.get("request_id"), wanted.get("event_type")
    if request_id is not None:
        query = query.where(notifications.c.request_id == request_id)
    if event_type is not None:
        query = query.where(notifications.c.event_type == event_type)
    if (since := wanted.get("since")) is not None:
        query = query.where(notifications.c.created_at >= since)
    of_delivery = {"status": wanted.get("status"), "channel_type": wanted.get("channel_type")}
    matching = [deliveries.c[name] == value for name, value in of_delivery.items() if value]
    if matching:
        if request_id is not None:
            matching.append(deliveries.c.request_id == request_id)
        with_delivery = select(deliveries.c.notification_id).where(*matching)
        query = query.where(notifications.c.id.in_(with_delivery))
    return rows_of(Notification, await connection.execute(query))
