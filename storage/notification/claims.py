"""Claims due deliveries for a worker: most urgent first, within the rates of their destinations.

A claim writes a row for each attempt before it is sent. That row is the permission to send: a
worker that was thought dead and comes back sends nothing that another worker has claimed since.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.json_document import Json
from domain.notification.alert import NOTHING_KNOWN
from domain.notification.event import StoredEvent
from storage.notification import alerts, destinations, places
from storage.notification.claimed import Claimed, ClaimPolicy
from storage.notification.deliveries import maybe_sent
from storage.notification.leases import LEASE_SECONDS
from storage.notification.order import (
    BLOCKED,
    BLOCKED_BY_STATE,
    LATEST,
    latest,
    supersede,
)
from storage.postgres.statement import Statements

AHEAD_SECONDS = 5.0  # how far ahead slots are given; an urgent event overtakes all but those


# clock_timestamp(), as a claim may wait for locks after its transaction began, when now() is set.
# The texts of later events, which few deliveries need, are queried in `_claimed`: in this statement
# they would cost every claim planning time. `is true` makes PostgreSQL look attempts up in a hash:
# it expects a single row of them, and would join by a nested loop otherwise.
_BEGAN = f"begun.lease_until - interval '{LEASE_SECONDS} s'"
_CLAIM = f"""
with due as (
    select d.id from tenant.notification_deliveries d
    where d.integration_id = $1 and d.completed_at is null and d.status <> 'sending'
        and d.next_attempt_at <= now() and d.deadline_at > now()
        and {{where}}
        and not ({{blocked}})
    order by d.destination, d.rank, d.id limit $2 for update of d skip locked
), begun as (
    update tenant.notification_deliveries d
    set status = 'sending', attempts = attempts + 1, updated_at = now(),
        lease_until = clock_timestamp() + interval '{LEASE_SECONDS} s'
    from due where d.id = due.id returning d.*
), tried as (
    insert into tenant.delivery_attempts (delivery_id, no, started_at, worker)
    select id, attempts, {_BEGAN}, $3 from begun on conflict do nothing returning delivery_id
)
select begun.id as delivery_id, begun.request_id, begun.attempts as no, begun.failures,
    begun.throttles, begun.doubts, begun.options, begun.destination, begun.recipient as told,
    {_BEGAN} as began,
    begun.rank, {LATEST} as latest,
    n.id, n.event_type, n.title, n.body, n.entity_type,
    n.entity_id, n.metadata, n.recipient, n.created_at
from begun join tenant.notifications n on n.id = begun.notification_id
where (begun.id in (select delivery_id from tried)) is true
order by begun.rank, begun.id
"""
# Leaves out destinations that are at rest, in doubt, or whose rate is used up.
_UNPACED = """not exists (
            select 1 from tenant.delivery_rates r where r.integration_id = d.integration_id
                and r.destination = d.destination
                and (r.free_at > now() or r.rests_until > now() or r.probe_at is not null))"""
# Nothing is sent under a name for which the vendor's own name is known: the rate is kept under the
# vendor's name.
_AT = """d.destination = $4 and not exists (
            select 1 from tenant.integrations i where i.id = $1 and i.places ? $4)"""
_ALONE = f"""{_AT} and not exists (
            select 1 from tenant.notification_deliveries s where s.integration_id = $1
                and s.destination = $4 and s.status = 'sending' and s.completed_at is null)"""
_BLOCKED = {True: BLOCKED_BY_STATE, False: BLOCKED}  # by `stateful`
_FREELY = _CLAIM.format(where=_UNPACED, blocked=BLOCKED)
_SLOTTED = {
    (alone, stateful): _CLAIM.format(where=_ALONE if alone else _AT, blocked=blocked)
    for alone in (True, False)
    for stateful, blocked in _BLOCKED.items()
}

# Among destinations of the same urgency, the one that was sent to longest ago comes first. Else
# long queues at a few destinations would use all sends that an integration may have in flight, and
# the other destinations would wait until these queues are empty.
_DESTINATIONS = f"""
select d.destination from tenant.notification_deliveries d
    left join tenant.delivery_rates r
        on r.integration_id = d.integration_id and r.destination = d.destination
where d.integration_id = $1 and d.completed_at is null and d.status <> 'sending'
    and d.next_attempt_at <= now() and d.deadline_at > now()
    and coalesce(greatest(r.rests_until, r.probe_at, r.free_at - interval '{AHEAD_SECONDS} s'),
        '-infinity') <= now()
    and ($3 or not exists (
        select 1 from tenant.notification_deliveries s where s.integration_id = $1
            and s.destination = d.destination and s.status = 'sending' and s.completed_at is null))
group by d.destination, r.free_at
order by min(d.rank), coalesce(r.free_at, '-infinity'), min(d.created_at) limit $2
"""


class _Row(StoredEvent):
    """A claimed delivery and its notification. `told`: the delivery's recipient. `latest`: the
    newest event of the entity that the channel was told, if it is later."""

    delivery_id: UUID
    request_id: UUID
    no: int
    failures: int
    throttles: int
    doubts: int
    options: Json
    destination: str
    told: str
    began: datetime
    rank: int
    latest: UUID | None


async def claim(sql: Statements, policy: ClaimPolicy, want: int) -> list[Claimed]:
    """Claim up to `want` due deliveries of the integration, of any request."""
    if policy.idempotent and policy.interval is None:
        found = await sql.rows(_Row, _FREELY, policy.integration_id, want, policy.worker)
        if found:
            return await _claimed(sql, policy, found, [0.0] * len(found))
        names = await destinations.to_probe(sql, policy.integration_id)
    else:
        names = sorted(
            await sql.column(_DESTINATIONS, policy.integration_id, want, policy.idempotent)
        )
    claimed: list[Claimed] = []
    # All workers lock destinations in the order of their names, so that none deadlock.
    for destination in names:
        claimed += await _claim_at(sql, policy, destination, want - len(claimed))
    return claimed


async def _claim_at(
    sql: Statements, policy: ClaimPolicy, destination: str, want: int
) -> list[Claimed]:
    held = await destinations.hold(sql, policy.integration_id, destination)
    if held is None:  # the integration was deleted a moment ago
        return []
    now, busy, probe = time.monotonic(), max(held["busy"], 0.0), held["probe"]
    slots = [] if (probe or 0) > 0 else _slots(busy, policy, want)
    if probe is not None:
        slots = slots[:1]
    if not slots:
        return []
    if policy.stateful:
        await supersede(sql, policy.integration_id, destination)
    slotted = _SLOTTED[not policy.idempotent or probe is not None, policy.stateful]
    limits = (policy.integration_id, len(slots), policy.worker, destination)
    found = await sql.rows(_Row, slotted, *limits)
    if not found:
        await places.rename(sql, policy.integration_id, destination)
    if found and policy.interval is not None:
        taken = len(found) * policy.interval
        await destinations.pace(sql, policy.integration_id, destination, taken)
    return await _claimed(sql, policy, found, [now + slot for slot in slots])


def _slots(busy: float, policy: ClaimPolicy, want: int) -> list[float]:
    """When sends may start, in seconds from now; one send only, unless the vendor recognises a
    repeated delivery."""
    if busy > AHEAD_SECONDS or want < 1:
        return []
    if policy.interval is None:  # without a rate, only a rest that the vendor asked for is left
        return [0.0] if busy == 0 else []
    if not policy.idempotent:
        return [busy]
    fitting = int((AHEAD_SECONDS - busy) / policy.interval) + 1
    return [busy + number * policy.interval for number in range(min(want, fitting))]


async def _claimed(
    sql: Statements, policy: ClaimPolicy, rows: Sequence[_Row], slots: Sequence[float]
) -> list[Claimed]:
    """The claimed rows, each with its slot, the later event that was told before it, and what is
    known of its alert."""
    told = await latest(sql, [row["latest"] for row in rows if row["latest"] is not None])
    repeated = await maybe_sent(sql, [row["delivery_id"] for row in rows if row["no"] > 1])
    ids = [row["delivery_id"] for row in rows]
    known = await alerts.existing(sql, ids) if policy.tracked and ids else {}
    return [
        Claimed(
            delivery_id=row["delivery_id"],
            request_id=row["request_id"],
            no=row["no"],
            failures=row["failures"],
            options=row["options"],
            destination=row["destination"],
            notification=row,
            at=at,
            began=row["began"],
            recipient=row["told"],
            rank=row["rank"],
            throttles=row["throttles"],
            doubts=row["doubts"],
            repeated=row["delivery_id"] in repeated,
            latest=told.get(row["latest"]) if row["latest"] else None,
            existing=known.get(row["delivery_id"], NOTHING_KNOWN),
        )
        for row, at in zip(rows, slots, strict=False)
    ]
