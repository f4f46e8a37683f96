"""Integrations: a tenant's connections to vendors, and what was done to them.

The config and the secrets are apart: `credentials` holds the secrets sealed by the vault, and
`credential_hints` what may be shown of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import Select, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from storage.integration.tables import integration_logs as logs
from storage.integration.tables import integrations
from storage.postgres.rows import (
    Listing,
    Span,
    Values,
    create_row,
    find_row,
    listing,
    remove_row,
    row_of,
)


class Integration(TypedDict):
    """A row of integrations. One with a `channel_id` is that notification channel's own."""

    id: UUID
    name: str
    type: str
    description: str | None
    config: Json
    credentials: str | None
    credential_hints: Json
    is_active: bool
    connection_status: str
    last_sync_at: datetime | None
    last_error: str | None
    sync_enabled: bool
    sync_interval: int
    sync_direction: str
    field_mappings: Json
    version: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    channel_id: UUID | None
    places: dict[str, str]


class LogEntry(TypedDict):
    """What is said of an integration; who did it, where somebody did."""

    level: str
    action: str
    detail: str
    actor: NotRequired[str | None]
    context: NotRequired[Json]


class Log(TypedDict):
    """A row of integration_logs."""

    id: UUID
    integration_id: UUID
    level: str
    action: str
    detail: str
    context: Json
    actor: str | None
    created_at: datetime


class Listed(TypedDict):
    """Which integrations to list; None asks for nothing."""

    type: str | None
    is_active: bool | None


class Logged(TypedDict):
    """Which entries of a log to list; None asks for nothing."""

    level: str | None
    action: str | None
    since: datetime | None


async def new_id(connection: AsyncConnection) -> UUID:
    """An id for a row that cannot be written before its id is known: secrets are bound to it."""
    id: UUID = (await connection.execute(select(func.uuidv7()))).scalar_one()
    return id


async def create(connection: AsyncConnection, values: Values) -> Integration:
    """Raises IntegrityError if the tenant has an integration of that name."""
    return await create_row(connection, Integration, integrations, values)


async def change(connection: AsyncConnection, id: UUID, values: Values) -> Integration:
    """A new version of it. Raises IntegrityError if another integration has that name."""
    changed = await connection.execute(
        update(integrations)
        .where(integrations.c.id == id)
        .values(**values, version=integrations.c.version + 1, updated_at=func.now())
        .returning(integrations)
    )
    row = row_of(Integration, changed)
    assert row is not None, "its caller holds it"
    return row


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
    return await find_row(connection, Integration, integrations, id, lock=lock)


async def page(connection: AsyncConnection, wanted: Listed, span: Span) -> Listing[Integration]:
    """Those that are listed: a notification channel's own is seen through its channel."""
    query = select(integrations).where(integrations.c.channel_id.is_(None))
    found = _only(query, integrations, wanted)
    return await listing(connection, Integration, found, integrations.c.id, span)


async def remove(connection: AsyncConnection, id: UUID) -> bool:
    return await remove_row(connection, integrations, id)


async def log(connection: AsyncConnection, id: UUID, entry: LogEntry) -> None:
    """Write an entry of the integration's log."""
    await connection.execute(insert(logs).values(integration_id=id, **entry))


async def logged(connection: AsyncConnection, id: UUID, wanted: Logged, span: Span) -> Listing[Log]:
    """The integration's log, newest first."""
    equal = {"level": wanted["level"], "action": wanted["action"]}
    query = _only(select(logs).where(logs.c.integration_id == id), logs, equal)
    if wanted["since"] is not None:
        query = query.where(logs.c.created_at >= wanted["since"])
    return await listing(connection, Log, query, logs.c.id, replace(span, newest_first=True))


def _only(query: Select[Any], table: Table, wanted: Mapping[str, object]) -> Select[Any]:
    """What has these values; None asks for nothing."""
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query
