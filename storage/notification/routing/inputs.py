"""Reads what routing needs (a request's events, channels, users' preferences), and marks events
as routed."""

from collections.abc import Collection
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from domain.integration.stored import SendingIntegration
from domain.json_document import Json
from domain.notification.event import StoredEvent
from domain.notification.preference import Preferences
from domain.notification.routing import StoredChannel
from storage.postgres.statement import Statements

_UNROUTED = """
select id, event_type, title, body, entity_type, entity_id, metadata, recipient, expires_at,
    created_at, origin
from tenant.notifications where request_id = $1 and routed_at is null order by id
"""
_ROUTED = """
with routed as (
    update tenant.notifications set routed_at = now() where id = any($2))
delete from public.outbox where subject = $1 and kind = 'notification'
"""
_OF_INTEGRATION = (
    *("type", "config", "credentials", "version"),
    *("is_active", "connection_status", "last_error", "places"),
)
# Whether a success would change the state of any of the integration's destinations.
_IN_DOUBT = """exists (select 1 from tenant.delivery_rates r
    where r.integration_id = i.id and (r.probe_at is not null or r.probes > 0)) as in_doubt"""
_INTEGRATION = f"""
select i.id, {", ".join(f"i.{name}" for name in _OF_INTEGRATION)}, {_IN_DOUBT}
from tenant.integrations i where i.id = $1
"""
_CHANNELS = f"""
select c.id, c.type as channel_type, c.config as options, c.is_default,
    c.is_active as is_used, i.id as integration_id,
    {", ".join(f"i.{name}" for name in _OF_INTEGRATION)}, {_IN_DOUBT}
from tenant.notification_channels c left join tenant.integrations i on i.id = c.integration_id
where c.is_default or c.id = any($1)
order by c.id
"""
_PREFERENCES = """
select user_id, preferences from tenant.notification_preferences where user_id = any($1)
"""
# Joined through notifications, as deliveries are indexed by request only while they are open.
_COUNT = """
select count(*)::int from tenant.notifications n
    join tenant.notification_deliveries d on d.notification_id = n.id
where n.request_id = $1
"""


class UnroutedEvent(StoredEvent):
    """An event that has not been routed yet."""

    expires_at: datetime | None
    origin: UUID | None


class _Channel(SendingIntegration):
    """A channel with the columns of its integration, which are null if it has none."""

    channel_type: str
    options: Json
    is_default: bool
    is_used: bool
    integration_id: UUID | None


class _Preference(TypedDict):
    user_id: str
    preferences: Json


async def unrouted(sql: Statements, request_id: UUID) -> list[UnroutedEvent]:
    """The request's events that have not been routed yet, in their order."""
    return await sql.rows(UnroutedEvent, _UNROUTED, request_id)


async def channels(sql: Statements, named: Collection[UUID]) -> list[StoredChannel]:
    """The default channels, and those with the given ids."""
    rows = await sql.rows(_Channel, _CHANNELS, list(named))
    return [
        StoredChannel(
            id=row["id"],
            channel_type=row["channel_type"],
            options=row["options"],
            is_default=row["is_default"],
            is_active=row["is_used"],
            integration_id=row["integration_id"],
            integration=_integration_of(row),
        )
        for row in rows
    ]


def _integration_of(row: _Channel) -> SendingIntegration | None:
    if row["integration_id"] is None:
        return None
    return SendingIntegration(
        id=row["integration_id"],
        type=row["type"],
        config=row["config"],
        credentials=row["credentials"],
        version=row["version"],
        is_active=row["is_active"],
        connection_status=row["connection_status"],
        last_error=row["last_error"],
        places=row["places"],
        in_doubt=row["in_doubt"],
    )


async def integration(sql: Statements, integration_id: UUID) -> SendingIntegration | None:
    """The columns of an integration that sending needs; None if it was deleted."""
    return await sql.row(SendingIntegration, _INTEGRATION, integration_id)


async def preferences(sql: Statements, users: set[str]) -> dict[str, Preferences]:
    """Preferences by user; users without any are left out."""
    if not users:
        return {}
    rows = await sql.rows(_Preference, _PREFERENCES, sorted(users))
    return {row["user_id"]: Preferences.model_validate(row["preferences"]) for row in rows}


async def routed(sql: Statements, request_id: UUID, events: list[UUID]) -> None:
    """Mark the events as routed, and delete the outbox row that has the request started. If another
    of its events is to be routed again meanwhile, the request is woken for that."""
    await sql.run(_ROUTED, request_id, events)


async def count(sql: Statements, request_id: UUID) -> int:
    """How many deliveries the request has, open or ended."""
    return int(await sql.value(_COUNT, request_id))
