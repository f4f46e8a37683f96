"""Deliveries: one row for each notification and channel, from routing to its end."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.integration.outcome import FailureClass
from domain.notification.delivery import DeliveryStatus
from storage.integration.tables import integrations
from storage.notification import destinations as destination
from storage.notification.order import BLOCKED, BLOCKED_BY_STATE
from storage.notification.rows import Attempt, Delivery, Lane, Turn, WaitingDelivery
from storage.notification.tables import delivery_attempts as attempts
from storage.notification.tables import delivery_rates as rates
from storage.notification.tables import notification_deliveries as deliveries
from storage.postgres.database import statements
from storage.postgres.rows import find_row, rows_of
from storage.postgres.statement import Statements

# What a worker claimed and said nothing of for so long was sent by nobody who still lives: a
# window lasts 10 s, a slot may be 5 s away, and a send that takes longer than 15 s is renewed.
LEASE_SECONDS = 35
# Deliveries of an earlier version have no lease of their own.
LEASE_END = f"coalesce(lease_until, updated_at + interval '{LEASE_SECONDS} s')"

_BEHIND_SECONDS = 20.0
_IN_DOUBT_SECONDS = 3_600.0  # the first in the queue probes; the others are woken if that went well
_LONGEST_SECONDS = 3_600.0
_LONGEST_TURN = 30.0  # of somebody else's send
_LONGEST_QUEUE = 300.0  # whoever is ahead may be cancelled, and tells nobody
_MOMENT = 0.15  # about what a send takes that goes well

_LANES = f"""
select integration_id, min(channel_type) as type, count(*)::int as open,
    extract(epoch from min(case when status = 'sending' then {LEASE_END}
        else least(next_attempt_at, deadline_at) end) - now())::float8 as wait
from tenant.notification_deliveries
where request_id = $1 and completed_at is null and integration_id is not null
    and ($2::uuid is null or integration_id = $2)
group by integration_id order by integration_id
"""


async def lanes(sql: Statements, request_id: UUID, integration_id: UUID | None) -> list[Lane]:
    """By integration, what a request still has open, and seconds until something of it is due."""
    return await sql.rows(Lane, _LANES, request_id, integration_id)


# By destination, the first of the request's due deliveries that need not wait for another of its
# entity, or else the first.
_TURN = f"""
select (
        select count(*) from tenant.notification_deliveries p
        where p.integration_id = $2 and p.destination = d.destination
            and p.completed_at is null and p.status <> 'sending' and p.next_attempt_at <= now()
            and p.deadline_at > now() and (p.rank, p.id) < (d.rank, d.id))::int as ahead,
    extract(epoch from greatest(r.free_at, r.rests_until) - now())::float8 as busy,
    extract(epoch from r.probe_at - now())::float8 as probe,
    extract(epoch from now() - d.created_at)::float8 as age, d.blocked,
    case when d.blocked and d.action = 'acknowledge' and $3 then (
        select extract(epoch from max(t.next_attempt_at) - now())::float8
        from tenant.notification_deliveries t
        where t.channel_id = d.channel_id and t.alert_key = d.alert_key
            and t.recipient = d.recipient and t.completed_at is null
            and t.action = 'trigger' and t.notification_id < d.notification_id) end as trigger
from (
    select distinct on (destination) due.*
    from (
        select d.destination, d.rank, d.id, d.created_at, d.action, d.channel_id, d.alert_key,
            d.recipient, d.notification_id,
            case when $3 then {BLOCKED_BY_STATE} else {BLOCKED} end as blocked
        from tenant.notification_deliveries d
        where request_id = $1 and integration_id = $2 and completed_at is null
            and status <> 'sending' and next_attempt_at <= now()) due
    order by destination, blocked, rank, id) d
left join tenant.delivery_rates r on r.integration_id = $2 and r.destination = d.destination
"""
_NEXT = f"""
select extract(epoch from min(case
        when status = 'sending' then {LEASE_END}
        when next_attempt_at > now() then least(next_attempt_at, deadline_at)
        else deadline_at end) - now())::float8 as wait
from tenant.notification_deliveries
where request_id = $1 and integration_id = $2 and completed_at is null
"""


async def estimate_wait(
    sql: Statements, share: tuple[UUID, UUID], interval: float | None, *, stateful: bool
) -> float:
    """Seconds until it may be the turn of a due delivery of the request (the first of `share`) at
    the integration (the second), or until another one is due or over.

    Where a rate says so, that follows from how many are ahead of it: it may be claimed for its
    slot as soon as the one before it is sent, and is looked for now and then before. At a
    destination in doubt only the first has a turn. Else somebody else's send is in the way, whose
    end nobody knows: a tenth of the time it has waited so far, and half a minute at most. An
    acknowledgement's turn is after its trigger's.
    """
    due = await sql.rows(Turn, _TURN, *share, stateful)
    turns = [_turn_of(row, interval) for row in due] or [_BEHIND_SECONDS]
    other = await next_change(sql, share)
    return min(turns if other is None else [*turns, other])


async def next_change(sql: Statements, share: tuple[UUID, UUID]) -> float | None:
    """Seconds until anything but a turn changes what is open: the end of a send's lease, of a wait
    or of a life."""
    wait: float | None = await sql.value(_NEXT, *share)
    return None if wait is None else max(wait, _MOMENT)


def _turn_of(row: Turn, interval: float | None) -> float:
    busy, age, ahead = max(row["busy"] or 0.0, 0.0), row["age"], row["ahead"]
    if row["probe"] is not None:
        return max(row["probe"], busy) + _MOMENT if ahead == 0 else _IN_DOUBT_SECONDS
    if row["blocked"]:
        estimate_wait = min(max(age / 10, 1.0), _LONGEST_TURN)
        return min(max(busy, row["trigger"] or 0.0, estimate_wait), _LONGEST_SECONDS)
    if interval is not None:
        return max(busy + min((ahead - 1) * interval, _LONGEST_QUEUE), 0.0) + _MOMENT
    return busy or min(max(age / 10, _MOMENT), _LONGEST_TURN)


# Whether an attempt of the delivery `{0}` may have had its effect.
_MAYBE_SENT = """exists (
        select 1 from tenant.delivery_attempts a where a.delivery_id = {0}.id and a.maybe_sent)"""
_SENT_OF = """
select distinct delivery_id from tenant.delivery_attempts where delivery_id = any($1) and maybe_sent
"""
_EXPIRE = f"""
update tenant.notification_deliveries d set status = 'expired', completed_at = now(),
    updated_at = now(), last_error = coalesce(last_error, 'it was not sent before its deadline')
        || case when {_MAYBE_SENT.format("d")}
            then '; an earlier attempt may have arrived' else '' end
where request_id = $1 and integration_id = $2 and completed_at is null
    and status <> 'sending' and deadline_at <= now()
returning destination
"""


async def maybe_sent(sql: Statements, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the deliveries that may have arrived already."""
    return set(await sql.column(_SENT_OF, ids)) if ids else set()


async def expire(sql: Statements, request_id: UUID, integration_id: UUID) -> None:
    """Give up what is past its deadline. What was to probe a destination leaves that to the next
    one there."""
    ended = await sql.column(_EXPIRE, request_id, integration_id)
    await destination.pass_on(sql, integration_id, set(ended))


# What rests, or waits for a probe that has its time or in a queue that moves, is not overdue. What
# has no time waits to be routed anew; what has no integration any more, to be ended. Of very many,
# some are found, and others the next time: most of them may only be slow.
_FORGOTTEN = """
select d.request_id from tenant.notification_deliveries d
    left join tenant.integrations i on i.id = d.integration_id
    left join tenant.delivery_rates r
        on r.integration_id = d.integration_id and r.destination = d.destination
where d.completed_at is null and (d.deadline_at < now() - make_interval(secs => $1)
    or d.next_attempt_at is null and d.updated_at < now() - make_interval(secs => $1)
    or coalesce(i.is_active, true) and d.next_attempt_at < now() - make_interval(secs => $1)
        and coalesce(greatest(r.rests_until, r.probe_at, r.free_at), '-infinity')
            < now() - make_interval(secs => $1))
group by d.request_id order by random() limit 1000
"""


async def forgotten(sql: Statements, overdue: float) -> list[UUID]:
    """Requests with something that should have been sent or given up `overdue` seconds ago."""
    return await sql.column(_FORGOTTEN, overdue)


_ORPHANED = """
update tenant.notification_deliveries set status = 'cancelled', completed_at = now(),
    updated_at = now(), last_error = 'the integration was deleted', reason = 'integration_deleted'
where integration_id = $1 and completed_at is null and status <> 'sending'
"""


async def cancel_orphaned(sql: Statements, integration_id: UUID) -> None:
    """End what was routed to an integration that is gone."""
    await sql.run(_ORPHANED, integration_id)


async def of_notifications(
    connection: AsyncConnection, notification_ids: Sequence[UUID]
) -> list[WaitingDelivery]:
    """The deliveries of all channels, with what they may wait for."""
    rest = case((rates.c.rests_until > func.now(), rates.c.rests_until))
    query = (
        select(
            deliveries,
            integrations.c.is_active.label("is_on"),
            rest.label("rests_until"),
            rates.c.probe_at,
        )
        .outerjoin(integrations, integrations.c.id == deliveries.c.integration_id)
        .outerjoin(
            rates,
            and_(
                rates.c.integration_id == deliveries.c.integration_id,
                rates.c.destination == deliveries.c.destination,
            ),
        )
        .where(deliveries.c.notification_id.in_(notification_ids))
        .order_by(deliveries.c.id)
    )
    return rows_of(WaitingDelivery, await connection.execute(query))


async def attempts_of(connection: AsyncConnection, delivery_ids: Sequence[UUID]) -> list[Attempt]:
    query = (
        select(attempts)
        .where(attempts.c.delivery_id.in_(delivery_ids))
        .order_by(attempts.c.delivery_id, attempts.c.no)
    )
    return rows_of(Attempt, await connection.execute(query))


async def find(connection: AsyncConnection, delivery_id: UUID) -> Delivery | None:
    return await find_row(connection, Delivery, deliveries, delivery_id)


async def cancel(connection: AsyncConnection, delivery_id: UUID) -> bool:
    """Stop a delivery that is not over; what is in flight cannot be called back. What was to probe
    its destination leaves that to the next one there."""
    done = await connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.completed_at.is_(None))
        .values(status=DeliveryStatus.CANCELLED, completed_at=func.now(), updated_at=func.now())
        .returning(deliveries.c.integration_id, deliveries.c.destination)
    )
    row = done.one_or_none()
    if row is not None and row.integration_id is not None:
        sql = await statements(connection)
        await destination.pass_on(sql, row.integration_id, {row.destination})
    return row is not None


async def resend(connection: AsyncConnection, delivery_ids: Sequence[UUID]) -> set[UUID]:
    """Have deliveries routed anew and sent from the start of their schedule; their requests.

    A delivery that is being sent stays as it is. Without a time for its next attempt none is
    claimed, until routing gives it one, and with it a deadline (storage/notification/route.py).
    """
    # What was cancelled while a worker sent it, and the worker died, is closed by nobody else.
    await connection.execute(
        update(attempts)
        .where(attempts.c.delivery_id.in_(delivery_ids), attempts.c.completed_at.is_(None))
        .where(
            select(deliveries.c.status)
            .where(deliveries.c.id == attempts.c.delivery_id)
            .scalar_subquery()
            != DeliveryStatus.SENDING
        )
        .values({"completed_at": func.now(), "class": FailureClass.UNKNOWN, "maybe_sent": True})
    )
    rows = await connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(delivery_ids), deliveries.c.status != DeliveryStatus.SENDING)
        .values(
            status=DeliveryStatus.PENDING,
            failures=0,
            throttles=0,
            doubts=0,
            reason=None,
            next_attempt_at=None,
            deadline_at=None,
            completed_at=None,
            updated_at=func.now(),
        )
        .returning(deliveries.c.request_id)
    )
    return set(rows.scalars())
