"""Notification channels: places that a tenant is told things in, each through an integration."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.notification_tables import notification_channels as channels
from storage.rows import create_row, find_row, page_of, remove_row

NotificationChannel = dict[str, Any]  # a row of notification_channels


async def create(connection: AsyncConnection, values: NotificationChannel) -> NotificationChannel:
    """Raises IntegrityError if the tenant has a channel of that name."""
    return await create_row(connection, channels, values)


async def replace(connection: AsyncConnection, row: NotificationChannel) -> NotificationChannel:
    """Raises IntegrityError if another channel has that name."""
    written = await connection.execute(
        update(channels).where(channels.c.id == row["id"]).values(row).returning(channels)
    )
    return dict(written.one()._mapping)


async def find(
    connection: AsyncConnection, id: UUID, *, lock: bool = False
) -> NotificationChannel | None:
    return await find_row(connection, channels, id, lock=lock)


async def page(
    connection: AsyncConnection, limit: int, after: UUID | None
) -> list[NotificationChannel]:
    return await page_of(connection, channels, limit, after)


async def remove(connection: AsyncConnection, id: UUID) -> bool:
    return await remove_row(connection, channels, id)


async def known(connection: AsyncConnection, ids: set[UUID]) -> set[UUID]:
    """Those of the ids that are a channel's."""
    rows = await connection.execute(select(channels.c.id).where(channels.c.id.in_(ids)))
    return set(rows.scalars())
