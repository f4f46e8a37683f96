"""Finds the entity that a vendor reports an action on, and what has happened to it so far."""

from typing import TypedDict
from uuid import UUID

from domain.notification.event import StoredEvent
from domain.notification.inbound import VendorAction
from storage.postgres.statement import Statements, as_json

_MOST = 100  # events of an entity; older ones hardly decide about its state

# The deliveries of an entity are found by two indexes: of those that are open, and of those that
# have ended. The tool may know an entity that was not sent there: somebody made it there.
_OF_KEY = """
        select d.notification_id from tenant.notification_deliveries d
        where d.channel_id in (
            select c.id from tenant.notification_channels c where c.integration_id = $1)
            and d.alert_key = $2 and {0}"""
# What was made there for an entity, by a part of its reference.
_KEY = """
select alert_key from tenant.alerts
where integration_id = $1 and reference @> $2 order by notification_id desc limit 1
"""
_ENTITY = f"""
select n.entity_type, n.entity_id
from ({_OF_KEY.format("num_nulls(d.completed_at) = 1")}
        union {_OF_KEY.format("d.completed_at is not null")}
        order by notification_id desc limit 1) d
    join tenant.notifications n on n.id = d.notification_id
"""
# Two actions on one entity at a time: the second one is compared with the state after the first.
_LOCK = """
select pg_advisory_xact_lock(hashtextextended($1, 'tenant.notifications'::regclass::oid::bigint))
"""
_EVENTS = f"""
select id, event_type, title, body, entity_type, entity_id, metadata, recipient, created_at
from tenant.notifications where entity_type = $1 and entity_id = $2
order by id desc limit {_MOST}
"""


class _Entity(TypedDict):
    entity_type: str
    entity_id: str


async def key_of(sql: Statements, integration_id: UUID, done: VendorAction) -> str | None:
    """Our key of the entity that a person acted on; None if nothing is known by that reference."""
    if not done.reference:
        return done.alert_key
    key: str | None = await sql.value(_KEY, integration_id, as_json(dict(done.reference)))
    return key


async def events_of(sql: Statements, integration_id: UUID, alert_key: str) -> list[StoredEvent]:
    """The latest events of the entity with this key, oldest first; none if no channel of the
    integration was to get one. Nobody else accepts an action on the entity before the commit."""
    entity = await sql.row(_Entity, _ENTITY, integration_id, alert_key)
    if entity is None:
        return []
    names = entity["entity_type"], entity["entity_id"]
    await sql.run(_LOCK, " ".join(names))
    return (await sql.rows(StoredEvent, _EVENTS, *names))[::-1]
