"""Integrations: a tenant's connections to vendors, and the log of each.

Secrets are kept apart from the config: `credentials` holds them, sealed by the vault, and
`credential_hints` the parts that may be shown.
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
    """A row of integrations. An integration with a `channel_id` is used by that notification
    channel only. `places` holds the vendor's own names of destinations, by the names in our
    config."""

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
    """An entry to write to an integration's log. `actor`: who did it; absent for what was only
    observed."""

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


class IntegrationFilter(TypedDict):
    """Filters of a list of integrations; None does not filter."""

    type: str | None
    is_active: bool | None


class LogFilter(TypedDict):
    """Filters of a list of log entries; None does not filter."""

    level: str | None
    action: str | None
    since: datetime | None


async def new_id(connection: AsyncConnection) -> UUID:
    """A new id, for a row that is written later: its secrets are sealed with the id before."""
    id: UUID = (await connection.execute(select(func.uuidv7()))).scalar_one()
    return id


async def create(connection: AsyncConnection, values: Values) -> Integration:
    """Create an integration. Raises IntegrityError if the tenant has one of that name."""
    return await create_row(connection, Integration, integrations, values)


async def change(connection: AsyncConnection, id: UUID, values: Values) -> Integration:
    """Change columns and raise the version of an integration, which the caller has locked. Raises
    IntegrityError if another integration has that name."""
    changed = await connection.execute(
        update(integrations)
        .where(integrations.c.id == id)
        .values(**values, version=integrations.c.version + 1, updated_at=func.now())
        .returning(integrations)
    )
    row = row_of(Integration, changed)
    assert row is not None, "the caller has locked the row"
    return row


async def note_connection(
    connection: AsyncConnection, id: UUID, version: int, status: str, error: str | None
) -> bool:
    """Write the result of testing this version to the integration's row. False, and nothing is
    written, if it has another version by now or was deleted."""
    done = await connection.execute(
        update(integrations)
        .where(integrations.c.id == id, integrations.c.version == version)
        .values(connection_status=status, last_error=error)
        .returning(integrations.c.id)
    )
    return done.one_or_none() is not None


async def find(connection: AsyncConnection, id: UUID, *, lock: bool = False) -> Integration | None:
    return await find_row(connection, Integration, integrations, id, lock=lock)


async def page(
    connection: AsyncConnection, wanted: IntegrationFilter, span: Span
) -> Listing[Integration]:
    """One page of integrations. Those that belong to a notification channel are left out: the API
    shows each with its channel."""
    query = select(integrations).where(integrations.c.channel_id.is_(None))
    found = _only(query, integrations, wanted)
    return await listing(connection, Integration, found, integrations.c.id, span)


async def remove(connection: AsyncConnection, id: UUID) -> bool:
    return await remove_row(connection, integrations, id)


async def log(connection: AsyncConnection, id: UUID, entry: LogEntry) -> None:
    """Write an entry to the integration's log."""
    await connection.execute(insert(logs).values(integration_id=id, **entry))


async def logged(
    connection: AsyncConnection, id: UUID, wanted: LogFilter, span: Span
) -> Listing[Log]:
    """One page of the integration's log, newest first."""
    equal = {"level": wanted["level"], "action": wanted["action"]}
    query = _only(select(logs).where(logs.c.integration_id == id), logs, equal)
    if wanted["since"] is not None:
        query = query.where(logs.c.created_at >= wanted["since"])
    return await listing(connection, Log, query, logs.c.id, replace(span, newest_first=True))


def _only(query: Select[Any], table: Table, wanted: Mapping[str, object]) -> Select[Any]:
    """The query, filtered by column values; None does not filter."""
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query
