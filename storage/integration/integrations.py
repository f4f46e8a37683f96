"""Integrations: a tenant's connections to vendors, and what was done to them.

The config and the secrets are apart: `credentials` holds the secrets sealed by the vault, and
`credential_hints` what may be shown of them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.integration.tables import integration_logs as logs
from storage.integration.tables import integrations
from storage.postgres.rows import Listing, Span, create_row, find_row, listing, remove_row

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


async def page(connection: AsyncConnection, wanted: Integration, span: Span) -> Listing:
    """Those that are listed: a notification channel's own is seen through its channel. `wanted`:
    type, is_active."""
    query = select(integrations).where(integrations.c.channel_id.is_(None))
    return await listing(connection, _only(query, integrations, wanted), integrations.c.id, span)


async def remove(connection: AsyncConnection, id: UUID) -> bool:
    return await remove_row(connection, integrations, id)


async def log(connection: AsyncConnection, id: UUID, entry: Log) -> None:
    """`entry`: level, action, detail; actor and context where there are any."""
    await connection.execute(insert(logs).values(integration_id=id, **entry))


async def logged(connection: AsyncConnection, id: UUID, wanted: Log, span: Span) -> Listing:
    """The integration's log, newest first. `wanted`: level, action, since (a datetime)."""
    equal = {name: wanted[name] for name in ("level", "action")}
    query = _only(select(logs).where(logs.c.integration_id == id), logs, equal)
    since: datetime | None = wanted["since"]
    if since is not None:
        query = query.where(logs.c.created_at >= since)
    return await listing(connection, query, logs.c.id, span, newest_first=True)


def _only(query: Select[Any], table: Table, wanted: Mapping[str, Any]) -> Select[Any]:
    """What has these values; None asks for nothing."""
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query
