"""Alerts: what stands for an entity in a channel's tool, as far as the vendor's answers tell.

Only for types of integration whose answer is the only place that names what was made
(`Limits.tracked`): a later event of the entity has to change it.
"""

from collections.abc import Sequence
from typing import TypedDict
from uuid import UUID

from domain.notification.alert import Existing
from domain.notification.event import Action, StoredEvent
from storage.postgres.statement import Statements

_MOST = 20  # deliveries that may have made something; a vendor is asked about each

# Of two deliveries of an alert, the later event's answer counts: it may have made another thing,
# because the vendor cannot open the first one again.
_KEEP = """
insert into tenant.alerts as a
    (channel_id, alert_key, recipient, integration_id, reference, action, notification_id,
    opened_by)
select d.channel_id, d.alert_key, d.recipient, d.integration_id, d.reference, d.action,
    d.notification_id, d.notification_id
from tenant.notification_deliveries d join tenant.integrations i on i.id = d.integration_id
where d.id = any($1) and d.alert_key is not null and d.channel_id is not null
    and d.reference is not null
order by d.channel_id, d.alert_key, d.recipient, d.notification_id
on conflict (channel_id, alert_key, recipient) do update
set integration_id = excluded.integration_id, reference = excluded.reference,
    action = excluded.action, notification_id = excluded.notification_id, updated_at = now(),
    opened_by = case when a.integration_id = excluded.integration_id
        and a.reference = excluded.reference then a.opened_by else excluded.opened_by end
where a.integration_id <> excluded.integration_id
    or a.notification_id <= excluded.notification_id
"""
# A delivery may have made something that is not known if an attempt of it may have arrived, and no
# answer to it was recorded. The attempt that is claimed now has not begun. The deliveries of an
# entity are found by two indexes: of those that are open, and of those that have ended.
_OF_ALERT = """
        select m.id from tenant.notification_deliveries m
        where m.channel_id = d.channel_id and m.alert_key = d.alert_key
            and m.recipient = d.recipient and m.integration_id = d.integration_id
            and m.reference is null and {0}"""
_EXISTING = f"""
select d.id, a.reference, a.action, a.opened_by, made.ids, made.ago
from tenant.notification_deliveries d
    left join tenant.alerts a on a.channel_id = d.channel_id and a.alert_key = d.alert_key
        and a.recipient = d.recipient and a.integration_id = d.integration_id
    left join lateral (
        select array_agg(distinct t.delivery_id) as ids,
            extract(epoch from now() - max(coalesce(t.completed_at, t.started_at)))::float8 as ago
        from (select d.id union {_OF_ALERT.format("num_nulls(m.completed_at) = 1")}
            union {_OF_ALERT.format("m.completed_at is not null")}) of_alert
            join tenant.delivery_attempts t on t.delivery_id = of_alert.id
        where (t.delivery_id, t.no) <> (d.id, d.attempts)
            and (t.maybe_sent or t.completed_at is null)) made on true
where d.id = any($1)
"""


_OPENED = """
select id, event_type, title, body, entity_type, entity_id, metadata, created_at, recipient
from tenant.notifications where id = any($1)
"""


class _Row(TypedDict):
    """`ids`: deliveries that may have made something, the latest of them `ago` seconds ago."""

    id: UUID
    reference: dict[str, str] | None
    action: str | None
    opened_by: UUID | None
    ids: list[UUID] | None
    ago: float | None


async def keep(sql: Statements, delivery_ids: Sequence[UUID]) -> None:
    """Keep the references that the answers to these deliveries gave, each for its alert."""
    await sql.run(_KEEP, delivery_ids)


async def existing(sql: Statements, delivery_ids: Sequence[UUID]) -> dict[UUID, Existing]:
    """What is known of each delivery's alert at its vendor, by the delivery's id."""
    rows = await sql.rows(_Row, _EXISTING, delivery_ids)
    opened = {row["opened_by"] for row in rows if row["opened_by"] is not None}
    events = await sql.rows(StoredEvent, _OPENED, list(opened)) if opened else []
    by_id = {event["id"]: event for event in events}
    return {
        row["id"]: _existing(row, by_id.get(row["opened_by"]) if row["opened_by"] else None)
        for row in rows
    }


def _existing(row: _Row, opened: StoredEvent | None) -> Existing:
    return Existing(
        reference=row["reference"],
        maybe_made=tuple(str(id) for id in (row["ids"] or ())[-_MOST:]),
        ago=max(row["ago"] or 0.0, 0.0),
        opened=opened,
        action=Action(row["action"]) if row["action"] else None,
    )
