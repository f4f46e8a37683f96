"""The order in which the events of an entity reach one channel and recipient, as SQL for claims.

Events of one entity are sent one at a time, oldest first. An older event that cannot be sent now
(it waits for a mended config, a rest or a long back-off) is overtaken, and says that it comes late
when it is sent. If the vendor shows the state of an alert, an older event that a later one replaces
is not sent (`superseded`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from domain.notification.delivery import ARRIVED
from domain.notification.message import Latest
from storage.notification.outbox import note_wakes
from storage.postgres.statement import Statements

SOON_SECONDS = 6  # a little more than the first back-off of a schedule (5 s)
PATIENCE_SECONDS = 5  # how long an urgent event waits behind a less urgent one
FRESH_SECONDS = 10  # how long an event that was never tried is not superseded

# Means `completed_at is null`, in a form that only the index by entity matches. With statistics
# from a time when nothing was open, PostgreSQL expects every index of open deliveries to be empty;
# it may then choose another one, and read all open deliveries once for each delivery.
_IS_OPEN = "num_nulls({0}.completed_at) = 1"
_STATUSES = ", ".join(f"'{status}'" for status in sorted(ARRIVED))
_HAS_ARRIVED = f"{{0}}.completed_at is not null and {{0}}.status in ({_STATUSES})"

# Whether `e`, another open delivery of d's entity, goes first: `e` is being sent, or comes before
# `d` in the queue of their destination. A more urgent event overtakes after PATIENCE_SECONDS.
_BLOCKED = f"""d.alert_key is not null and exists (
    select 1 from tenant.notification_deliveries e
    where e.channel_id = d.channel_id and e.alert_key = d.alert_key
        and e.recipient = d.recipient and {_IS_OPEN.format("e")} and e.id <> d.id
        and (e.status = 'sending'
            or e.integration_id = d.integration_id and e.destination = d.destination
            and e.deadline_at > now() and case
                when e.notification_id < d.notification_id
                then e.next_attempt_at <= now() + interval '{SOON_SECONDS} s'
                    and (e.rank <= d.rank
                        or d.created_at > now() - interval '{PATIENCE_SECONDS} s')
                else e.next_attempt_at <= now() and e.rank < d.rank {{overtakes}}
                    and e.created_at <= now() - interval '{PATIENCE_SECONDS} s' end))"""
BLOCKED = _BLOCKED.format(overtakes="")

# An acknowledgement means nothing to a vendor who does not know what it acknowledges: it waits for
# its trigger, however urgent it is, and so never overtakes one.
_OVERTAKES = "and not (e.action = 'acknowledge' and d.action = 'trigger')"
BLOCKED_BY_STATE = f"""({_BLOCKED.format(overtakes=_OVERTAKES)}
    or d.action = 'acknowledge' and exists (
        select 1 from tenant.notification_deliveries e
        where e.channel_id = d.channel_id and e.alert_key = d.alert_key
            and e.recipient = d.recipient and {_IS_OPEN.format("e")}
            and e.action = 'trigger' and e.notification_id < d.notification_id))"""

# The newest event of the entity that has arrived in the channel, if it is later than that of the
# delivery `begun`.
LATEST = f"""(
        select l.notification_id from tenant.notification_deliveries l
        where l.channel_id = begun.channel_id and l.alert_key = begun.alert_key
            and l.recipient = begun.recipient and l.notification_id > begun.notification_id
            and {_HAS_ARRIVED.format("l")}
        order by l.notification_id desc limit 1)"""
_EVENTS = "select id, event_type, title, created_at from tenant.notifications where id = any($1)"

# Finds a later event that replaces `e`. One that has arrived replaces `e` if it is a resolve or a
# trigger, or has the same action. One that still waits replaces `e` if it is a resolve or has the
# same action, its deadline is no earlier, and `e` has waited for a while or is a less urgent
# trigger.
_LATER = """
        (select d.id, d.action, d.notification_id, d.completed_at is not null as is_over
        from tenant.notification_deliveries d
        where d.channel_id = e.channel_id and d.alert_key = e.alert_key
            and d.recipient = e.recipient and d.notification_id > e.notification_id and {0}
        order by d.notification_id desc limit 1)"""
_ARRIVED_LATER = _LATER.format(f"""{_HAS_ARRIVED.format("d")}
            and (d.action in ('resolve', 'trigger') or d.action = e.action)""")
_WAITS_LATER = _LATER.format(f"""{_IS_OPEN.format("d")}
            and d.status <> 'sending' and d.integration_id = e.integration_id
            and d.next_attempt_at is not null
            and d.deadline_at > now() and d.deadline_at >= e.deadline_at
            and (d.action = 'resolve' or d.action = e.action)
            and (e.status = 'retrying' or e.created_at < now() - interval '{FRESH_SECONDS} s'
                or d.rank < e.rank and d.action = 'trigger')""")
_SUPERSEDE = f"""
with stale as (
    select e.id, e.rank, e.action, later.id as by_id, later.action as by_action,
        m.event_type, later.is_over
    from tenant.notification_deliveries e
        join lateral ({_ARRIVED_LATER} union all {_WAITS_LATER}
            order by notification_id desc limit 1) later on true
        join tenant.notifications m on m.id = later.notification_id
    where e.integration_id = $1 and e.destination = $2 and e.completed_at is null
        and e.status <> 'sending' and e.alert_key is not null and e.next_attempt_at is not null
    for update of e skip locked
), closed as (
    update tenant.notification_deliveries e set status = 'superseded', completed_at = now(),
        updated_at = now(), reason = 'replaced_by_' || stale.by_action,
        last_error = 'a later event, ' || stale.event_type || ', replaces it'
    from stale where e.id = stale.id returning e.id
), urgent as (
    select by_id, min(rank) as rank from stale
    where action = 'trigger' and by_action = 'trigger' and not is_over group by by_id
), heirs as (
    select d.id, urgent.rank
    from tenant.notification_deliveries d join urgent on urgent.by_id = d.id
    where d.rank > urgent.rank and d.completed_at is null and d.id not in (select id from stale)
    for update of d skip locked
)
update tenant.notification_deliveries d set rank = heirs.rank, updated_at = now()
from heirs where d.id = heirs.id
"""

# The events that replaced them failed for good, so nothing has arrived in their place.
_RESTORE = f"""
update tenant.notification_deliveries e set completed_at = null, reason = null,
    status = case when e.attempts = 0 then 'pending' else 'retrying' end,
    last_error = null, next_attempt_at = now(), updated_at = now()
from tenant.notification_deliveries d
where d.id = any($1) and d.status = 'failed' and d.alert_key is not null
    and e.channel_id = d.channel_id and e.alert_key = d.alert_key
    and e.recipient = d.recipient and e.notification_id < d.notification_id
    and e.status = 'superseded' and e.completed_at is not null and e.deadline_at > now()
    and not exists (
        select 1 from tenant.notification_deliveries l
        where l.channel_id = e.channel_id and l.alert_key = e.alert_key
            and l.recipient = e.recipient and l.notification_id > e.notification_id
            and {_HAS_ARRIVED.format("l")})
returning e.request_id
"""


class _Event(TypedDict):
    id: UUID
    event_type: str
    title: str
    created_at: datetime


async def restore(sql: Statements, failed: Sequence[UUID]) -> None:
    """Send, after all, the deliveries that were superseded by deliveries which then failed."""
    await note_wakes(sql, set(await sql.column(_RESTORE, failed)))


async def supersede(sql: Statements, integration_id: UUID, destination: str) -> None:
    """End the waiting deliveries at the destination that a later event replaces. A later trigger
    takes over the urgency of the triggers that it replaces."""
    await sql.run(_SUPERSEDE, integration_id, destination)


async def latest(sql: Statements, ids: Sequence[UUID]) -> dict[UUID, Latest]:
    """Type, title and time of the events that LATEST has found, by their ids."""
    found = await sql.rows(_Event, _EVENTS, ids) if ids else []
    return {row["id"]: Latest(row["event_type"], row["title"], row["created_at"]) for row in found}
