"""Notification channels: places that a tenant is told things in, each through an integration."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.notification_tables import notification_channels as channels

NotificationChannel = dict[str, Any]  # a row of notification_channels


async def create(connection: AsyncConnection, values: NotificationChannel) -> NotificationChannel:
    """Raises IntegrityError if the tenant has a channel of that name."""
    row = await connection.execute(insert(channels).values(values).returning(channels))
    return dict(row.one()._mapping)


async def replace(connection: AsyncConnection, row: NotificationChannel) -> NotificationChannel:
    """Raises IntegrityError if another channel has that name."""
    written = await connection.execute(
        update(channels).where(channels.c.id == row["id"]).values(row).returning(channels)
    )
    return dict(written.one()._mapping)


async def find(
    connection: AsyncConnection, id: UUID, *, lock: bool = False
) -> NotificationChannel | None:
    """`lock`: nobody else changes or deletes it before this transaction ends."""
    query = select(channels).where(channels.c.id == id)
    row = await connection.execute(query.with_for_update(key_share=True) if lock else query)
    found = row.one_or_none()
    return dict(found._mapping) if found else None


async def page(
    connection: AsyncConnection, limit: int, after: UUID | None
) -> list[NotificationChannel]:
    query = select(channels).order_by(channels.c.id).limit(limit)
    if after is not None:
        query = query.where(channels.c.id > after)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def remove(connection: AsyncConnection, id: UUID) -> bool:
    gone = await connection.execute(
        delete(channels).where(channels.c.id == id).returning(channels.c.id)
    )
    return gone.one_or_none() is not None


async def known(connection: AsyncConnection, ids: set[UUID]) -> set[UUID]:
    """Those of the ids that are a channel's."""
    rows = await connection.execute(select(channels.c.id).where(channels.c.id.in_(ids)))
    return set(rows.scalars())
