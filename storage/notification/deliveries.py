"""Deliveries: one row for each notification, channel and recipient, from routing to its end."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.integration.outcome import FailureClass
from domain.notification.delivery import DeliveryStatus
from storage.integration.tables import integrations
from storage.notification import destinations as destination
from storage.notification.leases import LEASE_END
from storage.notification.order import BLOCKED, BLOCKED_BY_STATE
from storage.notification.rows import Attempt, Delivery, Lane, Turn, WaitingDelivery
from storage.notification.tables import delivery_attempts as attempts
from storage.notification.tables import delivery_rates as rates
from storage.notification.tables import notification_deliveries as deliveries
from storage.postgres.database import statements
from storage.postgres.rows import find_row, rows_of
from storage.postgres.statement import Statements

_NOTHING_DUE_SECONDS = 20.0
_IN_DOUBT_SECONDS = 3_600.0  # the first in the queue probes, and its success wakes the others
_LONGEST_SECONDS = 3_600.0
_LONGEST_TURN = 30.0  # the longest wait for another delivery's send, whose end is unknown
_LONGEST_QUEUE = 300.0  # a delivery that is ahead may be cancelled, which wakes nobody
_MOMENT = 0.15  # about how long a successful send takes

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
    """What a request still has open with each integration, or with one: how many deliveries, and
    the seconds until the first of them is due."""
    return await sql.rows(Lane, _LANES, request_id, integration_id)


# For each destination, the first of the request's due deliveries that no other event of its entity
# blocks; if all are blocked, the first of them.
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
    """Seconds until a due delivery of the request (the first id of `share`) may be claimed at the
    integration (the second id), or until another of its deliveries becomes due or ends.

    With a rate, the wait follows from the number of deliveries ahead, up to five minutes of them.
    At a destination in doubt, the first in the queue waits for its probe, and the others for an
    hour, unless they are woken. Otherwise the wait is for another delivery's send, whose end is
    unknown: a tenth of the time that has passed, at most 30 s. An acknowledgement waits for its
    trigger.
    """
    due = await sql.rows(Turn, _TURN, *share, stateful)
    turns = [_turn_of(row, interval) for row in due] or [_NOTHING_DUE_SECONDS]
    other = await next_change(sql, share)
    return min(turns if other is None else [*turns, other])


async def next_change(sql: Statements, share: tuple[UUID, UUID]) -> float | None:
    """Seconds until the lease of a send ends, a delivery becomes due, or its deadline passes; None
    if nothing is open. `share` is a request's id and an integration's."""
    wait: float | None = await sql.value(_NEXT, *share)
    return None if wait is None else max(wait, _MOMENT)


def _turn_of(row: Turn, interval: float | None) -> float:
    busy, age, ahead = max(row["busy"] or 0.0, 0.0), row["age"], row["ahead"]
    if row["probe"] is not None:
        return max(row["probe"], busy) + _MOMENT if ahead == 0 else _IN_DOUBT_SECONDS
    if row["blocked"]:
        guess = min(max(age / 10, 1.0), _LONGEST_TURN)
        return min(max(busy, row["trigger"] or 0.0, guess), _LONGEST_SECONDS)
    if interval is not None:
        return max(busy + min((ahead - 1) * interval, _LONGEST_QUEUE), 0.0) + _MOMENT
    return busy or min(max(age / 10, _MOMENT), _LONGEST_TURN)


# Whether an attempt of the delivery `{0}` may have arrived.
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
    """The deliveries among these that may have arrived already."""
    return set(await sql.column(_SENT_OF, ids)) if ids else set()


async def expire(sql: Statements, request_id: UUID, integration_id: UUID) -> None:
    """End the request's deliveries whose deadline has passed. If one of them was to probe its
    destination, the next one there is woken to do so."""
    ended = await sql.column(_EXPIRE, request_id, integration_id)
    await destination.pass_on(sql, integration_id, set(ended))


# A delivery is not overdue while its destination rests, waits for its next probe or has its rate
# used up. Without `next_attempt_at` it waits to be routed again; without an integration, to be
# cancelled. Of more than 1,000 requests a random choice is found: most may only be slow.
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
    """Cancel the deliveries that were routed to an integration which was deleted."""
    await sql.run(_ORPHANED, integration_id)


async def of_notifications(
    connection: AsyncConnection, notification_ids: Sequence[UUID]
) -> list[WaitingDelivery]:
    """The deliveries of the notifications in all channels, with what each may wait for."""
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
    """Cancel a delivery; False if it has ended already. A send under way may still arrive. If the
    delivery was to probe its destination, the next one there is woken to do so."""
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
    """Mark deliveries to be routed again and sent from the start of their schedule; the ids of
    their requests.

    A delivery that is being sent is left alone. The others are not claimed until routing gives them
    a time for the next attempt and a deadline (storage/notification/routing/new_deliveries.py).
    """
    # An attempt stays open if its delivery was cancelled during the send and the worker died: only
    # this statement closes it.
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
