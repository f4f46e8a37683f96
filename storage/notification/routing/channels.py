"""Notification channels: the places where a tenant gets notifications, each through an
integration."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import Select, case, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.integration.outcome import FailureClass
from domain.json_document import Json
from domain.notification.delivery import DeliveryStatus
from storage.integration.tables import integrations
from storage.notification.parked import note_wakes
from storage.notification.tables import alerts
from storage.notification.tables import delivery_rates as rates
from storage.notification.tables import notification_channels as channels
from storage.notification.tables import notification_deliveries as deliveries
from storage.postgres.rows import Listing, Span, Values, create_row, find_row, listing, row_of


class NotificationChannel(TypedDict):
    """A row of notification_channels. A channel without an integration sends nothing."""

    id: UUID
    name: str
    type: str
    integration_id: UUID | None
    config: Json
    is_default: bool
    is_active: bool
    created_at: datetime


class SeenChannel(NotificationChannel):
    """A channel with the state of its integration.

    `own_config` and `own_hints` (what may be shown of the secrets) belong to an integration that
    only this channel uses; they are None for a shared integration.
    """

    connection_status: str | None
    last_error: str | None
    integration_active: bool | None
    own_config: Json | None
    own_hints: Json | None


_is_own = integrations.c.channel_id == channels.c.id


def _seen() -> Select[Any]:
    """Selects rows of SeenChannel."""
    return select(
        channels,
        integrations.c.connection_status,
        integrations.c.last_error,
        integrations.c.is_active.label("integration_active"),
        case((_is_own, integrations.c.config)).label("own_config"),
        case((_is_own, integrations.c.credential_hints)).label("own_hints"),
    ).outerjoin(integrations, integrations.c.id == channels.c.integration_id)


async def create(connection: AsyncConnection, values: Values) -> NotificationChannel:
    """Create a channel. Raises IntegrityError if the tenant has a channel of that name."""
    return await create_row(connection, NotificationChannel, channels, values)


async def replace(connection: AsyncConnection, row: NotificationChannel) -> None:
    """Write all columns of the row. Raises IntegrityError if another channel has that name."""
    await connection.execute(update(channels).where(channels.c.id == row["id"]).values(**row))


async def connect(connection: AsyncConnection, id: UUID, integration_id: UUID) -> None:
    """Have the channel send through the integration."""
    lead = update(channels).where(channels.c.id == id).values(integration_id=integration_id)
    await connection.execute(lead)


async def find(connection: AsyncConnection, id: UUID) -> NotificationChannel | None:
    """The channel's row, locked: nobody else changes it before this transaction ends."""
    return await find_row(connection, NotificationChannel, channels, id, lock=True)


async def see(connection: AsyncConnection, id: UUID) -> SeenChannel | None:
    """The channel with its integration's state."""
    return row_of(SeenChannel, await connection.execute(_seen().where(channels.c.id == id)))


async def page(connection: AsyncConnection, type: str | None, span: Span) -> Listing[SeenChannel]:
    """One page of channels with their integrations' state; `type` None lists all types."""
    query = _seen() if type is None else _seen().where(channels.c.type == type)
    return await listing(connection, SeenChannel, query, channels.c.id, span)


async def remove(connection: AsyncConnection, id: UUID) -> UUID | None:
    """Delete the channel, and forget what it has made at its vendor; the id of its integration,
    None if it had none. An integration that only this channel used is deleted with it (a foreign
    key cascades)."""
    await connection.execute(delete(alerts).where(alerts.c.channel_id == id))
    gone = delete(channels).where(channels.c.id == id).returning(channels.c.integration_id)
    integration_id: UUID | None = await connection.scalar(gone)
    return integration_id


async def known(connection: AsyncConnection, ids: Iterable[UUID]) -> set[UUID]:
    """The ids among these that channels have; no such channel can be deleted before this
    transaction ends."""
    query = select(channels.c.id).where(channels.c.id.in_(ids)).order_by(channels.c.id)
    rows = await connection.execute(query.with_for_update(read=True, key_share=True))
    return set(rows.scalars())


async def route_refused_anew(connection: AsyncConnection, id: UUID) -> set[UUID]:
    """Mark the channel's refused deliveries, and those that wait at a destination in doubt, to be
    routed again, since the channel has changed. Returns the requests that will be woken for it.

    A delivery that is being sent now is marked later, if it is refused
    (storage/notification/attempts.py).
    """
    c = deliveries.c
    waits = (c.completed_at.is_(None), c.status != DeliveryStatus.SENDING)
    there = (rates.c.integration_id == c.integration_id, rates.c.destination == c.destination)
    in_doubt = exists().where(*there, rates.c.probe_at.is_not(None))
    refused = or_(c.last_class == FailureClass.MISCONFIGURED, in_doubt)
    rows = await connection.execute(
        update(deliveries)
        .where(c.channel_id == id, refused, *waits)
        .values(next_attempt_at=None, updated_at=func.now())
        .returning(c.request_id)
    )
    found = set(rows.scalars())
    await note_wakes(connection, found)
    return found


async def defaults_through(connection: AsyncConnection, integration_id: UUID) -> list[str]:
    """The names of the active default channels that send through the integration."""
    c = channels.c
    query = (
        select(c.name)
        .where(c.integration_id == integration_id, c.is_default, c.is_active)
        .order_by(c.name)
    )
    return [*(await connection.scalars(query))]
