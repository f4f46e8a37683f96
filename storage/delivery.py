"""Deliveries: one row for each notification and channel, from routing to its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.delivery import DeliveryStatus, FailureClass
from storage.notification_tables import delivery_attempts as attempts
from storage.notification_tables import notification_deliveries as deliveries
from storage.rows import find_row
from storage.statement import Row, Statements

Delivery = dict[str, Any]  # a row of notification_deliveries

# What a worker claimed and said nothing of for so long was sent by nobody who still lives: a
# window lasts 10 s, a slot may be 5 s away and a send takes 15 s at most.
LEASE_SECONDS = 35


@dataclass(frozen=True, slots=True)
class Route:
    """A delivery to be made; what its channel says of itself is not repeated here."""

    notification_id: UUID
    channel_id: UUID
    destination: str
    alert_key: str | None
    rank: int
    deadline_at: datetime


_COLUMNS = tuple(Route.__dataclass_fields__)
_BEHIND_SECONDS = 20.0
_MOMENT = 0.15  # about what a send takes that goes well

_INSERT = """
insert into tenant.notification_deliveries (notification_id, request_id, channel_id, channel_type,
    integration_id, options, destination, alert_key, rank, deadline_at)
select r.notification_id, $1, c.id, c.type, c.integration_id, c.config, r.destination,
    r.alert_key, r.rank, r.deadline_at
from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::timestamptz[])
        as r (notification_id, channel_id, destination, alert_key, rank, deadline_at)
    join tenant.notification_channels c on c.id = r.channel_id
order by r.notification_id, c.id
on conflict (notification_id, channel_id) do nothing
"""


async def insert_routes(sql: Statements, request_id: UUID, routes: Sequence[Route]) -> None:
    """Write what is not there yet."""
    columns = [[getattr(route, name) for route in routes] for name in _COLUMNS]
    await sql.run(_INSERT, request_id, *columns)


_LANES = f"""
select integration_id, min(channel_type) as type, count(*)::int as open,
    extract(epoch from min(case when status = 'sending'
        then updated_at + interval '{LEASE_SECONDS} s'
        else least(next_attempt_at, deadline_at) end) - now())::float8 as wait
from tenant.notification_deliveries
where request_id = $1 and completed_at is null
    and ($2::uuid is null or integration_id = $2)
group by integration_id order by integration_id
"""


async def lanes(sql: Statements, request_id: UUID, integration_id: UUID | None) -> list[Row]:
    """By integration, what a request still has open, and seconds until something of it is due."""
    return await sql.rows(_LANES, request_id, integration_id)


_TURN = """
select r.free_at, (
        select count(*) from tenant.notification_deliveries p
        where p.integration_id = $2 and p.destination = d.destination
            and p.completed_at is null and p.status <> 'sending' and p.next_attempt_at <= now()
            and (p.rank, p.id) < (d.rank, d.id))::int as ahead,
    extract(epoch from r.free_at - now())::float8 as busy,
    extract(epoch from now() - d.created_at)::float8 as age
from (
    select distinct on (destination) destination, rank, id, created_at
    from tenant.notification_deliveries w
    where request_id = $1 and integration_id = $2 and completed_at is null
        and status <> 'sending' and next_attempt_at <= now()
        and (alert_key is null or not exists (
            select 1 from tenant.notification_deliveries e
            where e.integration_id = w.integration_id and e.alert_key = w.alert_key
                and e.notification_id < w.notification_id and e.completed_at is null))
    order by destination, rank, id) d
left join tenant.delivery_rates r on r.integration_id = $2 and r.destination = d.destination
"""


async def turn(
    sql: Statements, request_id: UUID, integration_id: UUID, interval: float | None
) -> float:
    """Seconds until it may be the turn of the request's most urgent due delivery.

    Where a rate says so, that follows from how many are ahead of it: it may be claimed for its
    slot as soon as the one before it is sent. Else somebody else's send is in the way, whose end
    nobody knows: a tenth of the time it has waited so far. What waits for an earlier event of its
    alert may do so for hours.
    """
    due = await sql.rows(_TURN, request_id, integration_id)
    return min((_turn_of(row, interval) for row in due), default=_BEHIND_SECONDS)


def _turn_of(row: Row, interval: float | None) -> float:
    busy: float = max(row["busy"] or 0.0, 0.0)
    if interval is not None:
        ahead: int = row["ahead"]
        return max(busy + (ahead - 1) * interval, 0.0) + _MOMENT
    age: float = row["age"]
    return busy or min(max(age / 10, _MOMENT), 30.0)


_EXPIRE = """
update tenant.notification_deliveries set status = 'expired', completed_at = now(),
    updated_at = now(), last_error = coalesce(last_error, 'it was not sent before its deadline')
where request_id = $1 and integration_id = $2 and completed_at is null
    and status <> 'sending' and deadline_at <= now()
"""


async def expire(sql: Statements, request_id: UUID, integration_id: UUID) -> None:
    """Give up what is past its deadline."""
    await sql.run(_EXPIRE, request_id, integration_id)


_FORGOTTEN = """
select distinct d.request_id from tenant.notification_deliveries d
    join tenant.integrations i on i.id = d.integration_id
where d.completed_at is null and i.is_active
    and least(d.next_attempt_at, d.deadline_at) < now() - make_interval(secs => $1)
limit 1000
"""


async def forgotten(sql: Statements, overdue: float) -> list[UUID]:
    """Requests with something that should have been sent or given up `overdue` seconds ago."""
    return [row["request_id"] for row in await sql.rows(_FORGOTTEN, overdue)]


_ORPHANED = """
update tenant.notification_deliveries set status = 'cancelled', completed_at = now(),
    updated_at = now(), last_error = 'the integration was deleted'
where integration_id = $1 and completed_at is null and status <> 'sending'
"""


async def cancel_orphaned(sql: Statements, integration_id: UUID) -> None:
    """End what was routed to an integration that is gone."""
    await sql.run(_ORPHANED, integration_id)


async def of_notifications(
    connection: AsyncConnection, notification_ids: Sequence[UUID]
) -> list[Delivery]:
    query = (
        select(deliveries)
        .where(deliveries.c.notification_id.in_(notification_ids))
        .order_by(deliveries.c.id)
    )
    return [dict(row._mapping) for row in await connection.execute(query)]


async def attempts_of(
    connection: AsyncConnection, delivery_ids: Sequence[UUID]
) -> list[dict[str, Any]]:
    query = (
        select(attempts)
        .where(attempts.c.delivery_id.in_(delivery_ids))
        .order_by(attempts.c.delivery_id, attempts.c.no)
    )
    return [dict(row._mapping) for row in await connection.execute(query)]


async def find(connection: AsyncConnection, delivery_id: UUID) -> Delivery | None:
    return await find_row(connection, deliveries, delivery_id)


async def cancel(connection: AsyncConnection, delivery_id: UUID) -> bool:
    """Stop a delivery that is not over; what is in flight cannot be called back."""
    done = await connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.completed_at.is_(None))
        .values(status=DeliveryStatus.CANCELLED, completed_at=func.now(), updated_at=func.now())
        .returning(deliveries.c.id)
    )
    return done.one_or_none() is not None


async def resend(
    connection: AsyncConnection, delivery_ids: Sequence[UUID], deadline_at: datetime
) -> set[UUID]:
    """Send again, from the start of the schedule; the requests that have to be woken.

    A delivery that is being sent stays as it is.
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
            next_attempt_at=func.now(),
            deadline_at=deadline_at,
            completed_at=None,
            updated_at=func.now(),
        )
        .returning(deliveries.c.request_id)
    )
    return set(rows.scalars())
