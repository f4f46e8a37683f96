"""Integrations: a tenant's connections to vendors, and what was done to them.

The config and the secrets are apart: `credentials` holds the secrets sealed by the vault, and
`credential_hints` what may be shown of them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.notification_tables import integration_logs as logs
from storage.notification_tables import integrations
from storage.notification_tables import notification_channels as channels
from storage.rows import create_row, find_row, page_of, remove_row

Integration = dict[str, Any]  # a row of integrations
Log = dict[str, Any]  # a row of integration_logs


async def new_id(connection: AsyncConnection) -> UUID:
    """An id for a row that cannot be written before its id is known: secrets are bound to it."""
    id: UUID = (await connection.execute(select(func.uuidv7()))).scalar_one()
    return id


async def create(connection: AsyncConnection, values: Integration) -> Integration:
    """Raises IntegrityError if the tenant has an integration of that name."""
    return await create_row(connection, integrations, values)


async def change(connection: AsyncConnection, id: UUID, values: Integration) -> Integration:
    """A new version of it. Raises IntegrityError if another integration has that name."""
    row = await connection.execute(
        update(integrations)
        .where(integrations.c.id == id)
        .values(**values, version=integrations.c.version + 1, updated_at=func.now())
        .returning(integrations)
    )
    return dict(row.one()._mapping)


async def note_connection(
    connection: AsyncConnection, id: UUID, version: int, status: str, error: str | None
) -> bool:
    """What a test of that version found; False if it is another version by now, or none."""
    done = await connection.execute(
        update(integrations)
        .where(integrations.c.id == id, integrations.c.version == version)
        .values(connection_status=status, last_error=error)
        .returning(integrations.c.id)
    )
    return done.one_or_none() is not None


async def find(connection: AsyncConnection, id: UUID, *, lock: bool = False) -> Integration | None:
    return await find_row(connection, integrations, id, lock=lock)


async def page(connection: AsyncConnection, limit: int, after: UUID | None) -> list[Integration]:
    """Those that are listed: a notification channel's own is seen through its channel."""
    listed = integrations.c.channel_id.is_(None)
    return await page_of(connection, integrations, limit, after, listed)


async def remove(connection: AsyncConnection, id: UUID) -> bool:
    return await remove_row(connection, integrations, id)


async def defaults_through(connection: AsyncConnection, id: UUID) -> list[str]:
    """The names of the default channels in use that lead through it."""
    c = channels.c
    query = select(c.name).where(c.integration_id == id, c.is_default, c.is_active).order_by(c.name)
    return [*(await connection.scalars(query))]


async def log(connection: AsyncConnection, id: UUID, entry: Log) -> None:
    """`entry`: level, action, detail; actor and context where there are any."""
    await connection.execute(insert(logs).values(integration_id=id, **entry))


async def logged(
    connection: AsyncConnection, id: UUID, wanted: Log, limit: int, before: UUID | None
) -> list[Log]:
    """The integration's log, newest first. `wanted`: level, action, since (a datetime)."""
    query = select(logs).where(logs.c.integration_id == id).order_by(logs.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(logs.c.id < before)
    for name in ("level", "action"):
        if wanted.get(name) is not None:
            query = query.where(logs.c[name] == wanted[name])
    since: datetime | None = wanted.get("since")
    if since is not None:
        query = query.where(logs.c.created_at >= since)
    return [dict(row._mapping) for row in await connection.execute(query)]
