"""Who may send what, now: most urgent first, within the rates, each attempt written before it.

An attempt's row is the permission to send: only rows that the claim returned are sent, so a
worker that was thought dead and comes back sends nothing that another has claimed since.
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage.delivery import LEASE_SECONDS
from storage.statement import Row, Statements

AHEAD_SECONDS = 5.0  # how far ahead slots are given away; a page overtakes all but those


@dataclass(frozen=True, slots=True)
class Lane:
    """An integration as claims see it: `interval` is that between two sends to one destination."""

    integration_id: UUID
    keyed: bool
    interval: float | None
    worker: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """Attempt `no` of a delivery, to be sent at `at` (time.monotonic()), and not sooner."""

    delivery_id: UUID
    request_id: UUID
    no: int
    failures: int
    options: dict[str, Any]
    destination: str
    notification: Row
    at: float


# Of one alert's events each waits for those before it. A destination that asked us to wait, or
# whose rate is used up, has its `free_at` in the future.
_CLAIM = """
with due as (
    select d.id from tenant.notification_deliveries d
    where d.integration_id = $1 and d.completed_at is null and d.status <> 'sending'
        and d.next_attempt_at <= now() and d.deadline_at > now()
        and {where}
        and (d.alert_key is null or not exists (
            select 1 from tenant.notification_deliveries e
            where e.integration_id = d.integration_id and e.alert_key = d.alert_key
                and e.notification_id < d.notification_id and e.completed_at is null))
    order by d.destination, d.rank, d.id limit $2 for update of d skip locked
), begun as (
    update tenant.notification_deliveries d
    set status = 'sending', attempts = attempts + 1, updated_at = now()
    from due where d.id = due.id returning d.*
), tried as (
    insert into tenant.delivery_attempts (delivery_id, no, started_at, worker)
    select id, attempts, now(), $3 from begun on conflict do nothing returning delivery_id
)
select begun.id as delivery_id, begun.request_id, begun.attempts as no, begun.failures,
    begun.options, begun.destination, n.id, n.event_type, n.title, n.body, n.entity_type,
    n.entity_id, n.metadata, n.recipient, n.created_at
from begun join tried on tried.delivery_id = begun.id
    join tenant.notifications n on n.id = begun.notification_id
order by begun.rank, begun.id
"""
_UNPACED = """not exists (
            select 1 from tenant.delivery_rates r where r.integration_id = d.integration_id
                and r.destination = d.destination and r.free_at > now())"""
_AT = "d.destination = $4"
_ALONE = f"""{_AT} and not exists (
            select 1 from tenant.notification_deliveries s where s.integration_id = $1
                and s.destination = $4 and s.status = 'sending' and s.completed_at is null)"""
_FREELY = _CLAIM.format(where=_UNPACED)
_SLOTTED = {True: _CLAIM.format(where=_AT), False: _CLAIM.format(where=_ALONE)}  # by `keyed`

_DESTINATIONS = """
select destination from tenant.notification_deliveries d
where integration_id = $1 and completed_at is null and status <> 'sending'
    and next_attempt_at <= now() and deadline_at > now()
    and ($3 or not exists (
        select 1 from tenant.notification_deliveries s where s.integration_id = $1
            and s.destination = d.destination and s.status = 'sending' and s.completed_at is null))
group by destination order by min(rank), min(created_at) limit $2
"""
# Also a lock: whoever holds the destination's row is alone with it until the commit. What others
# have claimed meanwhile is seen by the next statement only.
_HOLD = """
insert into tenant.delivery_rates as r (integration_id, destination, free_at)
select id, $2, clock_timestamp() from tenant.integrations where id = $1
on conflict (integration_id, destination) do update set free_at = r.free_at
returning extract(epoch from r.free_at - clock_timestamp())::float8 as busy
"""
_PACE = """
update tenant.delivery_rates
set free_at = greatest(free_at, clock_timestamp()) + make_interval(secs => $3)
where integration_id = $1 and destination = $2
"""


async def claim(sql: Statements, lane: Lane, want: int) -> list[Claimed]:
    """Take up to `want` due deliveries of the integration, whosever request they are of."""
    if lane.keyed and lane.interval is None:
        found = await sql.rows(_FREELY, lane.integration_id, want, lane.worker)
        return [_claimed(row, 0.0) for row in found]
    claimed: list[Claimed] = []
    places = await sql.rows(_DESTINATIONS, lane.integration_id, want, lane.keyed)
    # In one order for everybody: each of them is locked.
    for destination in sorted(row["destination"] for row in places):
        claimed += await _claim_at(sql, lane, destination, want - len(claimed))
    return claimed


async def _claim_at(sql: Statements, lane: Lane, destination: str, want: int) -> list[Claimed]:
    held = await sql.row(_HOLD, lane.integration_id, destination)
    if held is None:  # the integration was deleted a moment ago
        return []
    now, busy = time.monotonic(), max(held["busy"], 0.0)
    slots = _slots(busy, lane, want)
    if not slots:
        return []
    slotted = _SLOTTED[lane.keyed]
    found = await sql.rows(slotted, lane.integration_id, len(slots), lane.worker, destination)
    if found and lane.interval is not None:
        taken = len(found) * lane.interval
        await sql.run(_PACE, lane.integration_id, destination, taken)
    return [_claimed(row, now + slot) for row, slot in zip(found, slots, strict=False)]


def _slots(busy: float, lane: Lane, want: int) -> list[float]:
    """Seconds from now at which sends may start: of an unkeyed destination, one at a time."""
    if busy > AHEAD_SECONDS or want < 1:
        return []
    if lane.interval is None:  # no rate, so what keeps it busy is a wish of the vendor's
        return [0.0] if busy == 0 else []
    if not lane.keyed:
        return [busy]
    fitting = int((AHEAD_SECONDS - busy) / lane.interval) + 1
    return [busy + number * lane.interval for number in range(min(want, fitting))]


def _claimed(row: Row, at: float) -> Claimed:
    names = ("delivery_id", "request_id", "no", "failures", "destination")
    own = {name: row.pop(name) for name in (*names, "options")}
    return Claimed(**own, notification=row, at=at)


_RELEASE = """
with given as (
    delete from tenant.delivery_attempts a
    using unnest($1::uuid[], $2::int[]) as g (delivery_id, no)
    where a.delivery_id = g.delivery_id and a.no = g.no and a.completed_at is null
    returning a.delivery_id, a.no
)
update tenant.notification_deliveries d
set status = case when d.attempts = 1 then 'pending' else 'retrying' end,
    attempts = d.attempts - 1, updated_at = now()
from given where d.id = given.delivery_id and d.attempts = given.no and d.status = 'sending'
"""


async def release(sql: Statements, claimed: list[Claimed]) -> None:
    """Give back what was claimed and not sent: it was no attempt."""
    await sql.run(_RELEASE, [each.delivery_id for each in claimed], [each.no for each in claimed])


_RECLAIM = f"""
with lost as (
    update tenant.delivery_attempts a set completed_at = now(), class = 'unknown',
        maybe_sent = true, error = 'the worker that sent it did not live to tell',
        next_attempt_at = now()
    from tenant.notification_deliveries d
    where d.integration_id = $1 and d.status = 'sending' and d.completed_at is null
        and a.delivery_id = d.id and a.no = d.attempts and a.completed_at is null
        and a.started_at < now() - interval '{LEASE_SECONDS} s'
    returning a.delivery_id
)
update tenant.notification_deliveries d set status = 'retrying', next_attempt_at = now(),
    last_class = 'unknown', updated_at = now()
from lost where d.id = lost.delivery_id and d.status = 'sending'
"""


async def reclaim(sql: Statements, integration_id: UUID) -> None:
    """Close the attempts of workers that died as `unknown`; their deliveries are due again."""
    await sql.run(_RECLAIM, integration_id)
