"""The state of an integration's destinations: paced by a rate, at rest, or in doubt.

`free_at`: when its rate allows the next send. `rests_until`: the end of a rest after a 429. A
destination that refused our credentials or config is in doubt and has a `probe_at`: one delivery at
a time is tried there, not before that time, until one is taken. `probes` counts refusals and 429s
since something last arrived.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notification.backoff import REFUSED, SHORTEST_WISH, THROTTLED
from storage.notification.outbox import note_wakes
from storage.notification.tables import delivery_rates
from storage.postgres.statement import Statements

# The upsert also locks the destination's row until the commit. Claims that others have committed
# while this statement waited for the lock are visible to the next statement only.
_HOLD = """
insert into tenant.delivery_rates as r (integration_id, destination, free_at)
select id, $2, clock_timestamp() from tenant.integrations where id = $1
on conflict (integration_id, destination) do update set free_at = r.free_at
returning extract(epoch from greatest(r.free_at, r.rests_until) - clock_timestamp())::float8
    as busy, extract(epoch from r.probe_at - clock_timestamp())::float8 as probe
"""
_PACE = """
update tenant.delivery_rates
set free_at = greatest(free_at, clock_timestamp()) + make_interval(secs => $3)
where integration_id = $1 and destination = $2
"""
_PAUSE = """
insert into tenant.delivery_rates as r (integration_id, destination, free_at)
select id, $2, clock_timestamp() + make_interval(secs => $3)
from tenant.integrations where id = $1
on conflict (integration_id, destination) do update
set free_at = greatest(r.free_at, excluded.free_at)
"""
# A destination that names a time rests for that long, the first time. If it names one again, or
# none, the rest is at least the next wait of THROTTLED, until something arrives. Answers to what
# was on its way when a rest began do not count.
_NAMES_NO_TIME = f"($3::float8 < {SHORTEST_WISH})::int"
_STEP = "($4::float8[])[least({0} + {1}, cardinality($4::float8[]))]"  # null at 0: no wait
_REST = f"""
insert into tenant.delivery_rates as r
    (integration_id, destination, free_at, probes, rests_until)
select id, $2, clock_timestamp(), 1,
    clock_timestamp() + make_interval(secs => greatest({_STEP.format(0, _NAMES_NO_TIME)}, $3))
from tenant.integrations where id = $1
on conflict (integration_id, destination) do update
set probes = r.probes + case when r.probe_at is not null or r.rests_until > clock_timestamp()
        then 0 else 1 end,
    rests_until = greatest(r.rests_until, clock_timestamp() + make_interval(secs =>
        case when r.rests_until > clock_timestamp() then $3
        else greatest({_STEP.format("r.probes", _NAMES_NO_TIME)}, $3) end))
"""
# Only the first refusal, and refusals of probes, count: answers to what was on its way beside a
# probe are no further evidence.
_DOUBT = """
insert into tenant.delivery_rates as r
    (integration_id, destination, free_at, probes, probed_at, probe_at)
select id, $2, clock_timestamp(), 1, clock_timestamp(),
    clock_timestamp() + make_interval(secs => greatest(($3::float8[])[1] * $4, $5))
from tenant.integrations where id = $1
on conflict (integration_id, destination) do update
set probes = case when r.probe_at is null then 1 else r.probes + 1 end,
    probed_at = excluded.probed_at, probe_at = clock_timestamp() + make_interval(secs =>
        greatest(($3::float8[])[case when r.probe_at is null then 1
            else least(r.probes + 1, cardinality($3::float8[])) end] * $4, $5))
where r.probe_at is null or r.probe_at <= clock_timestamp()
"""
# A success brings the probes of the integration's other destinations forward, to a quarter of their
# back-off. At each of them one request is woken to probe: the one whose delivery may be sent first.
_FIRST = """select d.request_id from tenant.notification_deliveries d
    where d.integration_id = $1 and d.destination = {0}.destination
        and d.completed_at is null and d.status <> 'sending'
    order by greatest(d.next_attempt_at, {0}.probe_at), d.rank, d.id limit 1"""
_TRUST = f"""
with mended as (
    update tenant.delivery_rates r set probes = 0, probed_at = null, probe_at = null
    where r.integration_id = $1 and r.destination = any($2) and r.probe_at is not null
    returning r.destination
), nearer as (
    update tenant.delivery_rates r set probe_at = r.probed_at + make_interval(secs =>
        ($3::float8[])[least(r.probes, cardinality($3::float8[]))] / 4)
    where r.integration_id = $1 and r.destination <> all($2)
        and coalesce(r.rests_until, now()) <= now()
        and r.probe_at > r.probed_at + make_interval(secs =>
            ($3::float8[])[least(r.probes, cardinality($3::float8[]))] / 4)
    returning r.destination, r.probe_at
)
select d.request_id from tenant.notification_deliveries d
    join mended on mended.destination = d.destination
where d.integration_id = $1 and d.completed_at is null and d.status <> 'sending'
union
select first.request_id from nearer cross join lateral (
    {_FIRST.format("nearer")}) first
"""
# A probe ended without showing whether the destination works, for example because its event was
# refused. The next in the queue probes; its request may sleep for an hour, so it is woken.
_PASS_ON = f"""
select first.request_id from tenant.delivery_rates r cross join lateral (
    {_FIRST.format("r")}) first
where r.integration_id = $1 and r.destination = any($2) and r.probe_at is not null
"""
_CALM = """
update tenant.delivery_rates set probes = 0
where integration_id = $1 and destination = any($2) and probe_at is null and probes > 0
"""
_PROBES = """
select destination from tenant.delivery_rates where integration_id = $1 and probe_at <= now()
"""
_LIFT = """
with held as (
    select integration_id, destination from tenant.delivery_rates
    where (integration_id, destination) in (select * from unnest($1::uuid[], $2::text[]))
    order by integration_id, destination collate "C" for update
)
update tenant.delivery_rates r set rests_until = null,
    probe_at = case when r.probe_at > now() then now() else r.probe_at end
from held where r.integration_id = held.integration_id and r.destination = held.destination
"""
# Collation "C" sorts names as Python does, in whose order claims lock destinations.
_LOCK = """
select from tenant.delivery_rates where integration_id = $1
    and (destination = any($2) or probe_at is not null or probes > 0)
order by destination collate "C" for update
"""
_FORGET = """
update tenant.delivery_rates set rests_until = null, probes = 0, probed_at = null, probe_at = null
where integration_id = $1
"""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A destination that refused our credentials or config, or asked for more than an hour.

    `jitter`: a factor near 1 for the back-off. `at_least`: the next probe comes no sooner than
    after so many seconds.
    """

    destination: str
    jitter: float = 1.0
    at_least: float = 0.0


class Held(TypedDict):
    """`busy`: seconds until a destination may get something (negative: since then). `probe`:
    seconds until its next probe; None if it is not in doubt."""

    busy: float
    probe: float | None


async def hold(sql: Statements, integration_id: UUID, destination: str) -> Held | None:
    """Lock the destination's row until the commit; None if the integration is gone."""
    return await sql.row(Held, _HOLD, integration_id, destination)


async def pace(sql: Statements, integration_id: UUID, destination: str, seconds: float) -> None:
    """Use up so many seconds of the destination's rate."""
    await sql.run(_PACE, integration_id, destination, seconds)


async def lock(sql: Statements, integration_id: UUID, names: Collection[str]) -> None:
    """Lock these destinations, and those that were refused or throttled since something arrived
    there, before several are changed; sorted by name, as all transactions lock them."""
    await sql.run(_LOCK, integration_id, list(names))


async def pause(sql: Statements, integration_id: UUID, destination: str, seconds: float) -> None:
    """Send nothing to the destination for so many seconds, to keep its rate."""
    await sql.run(_PAUSE, integration_id, destination, seconds)


async def rest(sql: Statements, integration_id: UUID, destination: str, seconds: float) -> None:
    """The destination answered 429: send nothing there for at least the `seconds` that its vendor
    asked for (0 if it named no time). A rest that ends later is not shortened."""
    await sql.run(_REST, integration_id, destination, seconds, list(THROTTLED.delays))


async def doubt(sql: Statements, integration_id: UUID, found: Doubt) -> None:
    """Put the destination in doubt: single deliveries probe it, less and less often."""
    how = (list(REFUSED.delays), found.jitter, found.at_least)
    await sql.run(_DOUBT, integration_id, found.destination, *how)


async def trust(sql: Statements, integration_id: UUID, names: Collection[str]) -> None:
    """Something arrived at these destinations: end their doubts, bring the probes of the
    integration's other destinations forward, and wake the requests that wait for either."""
    await sql.run(_CALM, integration_id, list(names))
    waiting = await sql.column(_TRUST, integration_id, list(names), list(REFUSED.delays))
    await note_wakes(sql, set(waiting))


async def pass_on(sql: Statements, integration_id: UUID, names: Collection[str]) -> None:
    """A delivery ended without showing whether these destinations work: wake the next request at
    each of them that is in doubt, to probe it."""
    if names:
        await note_wakes(sql, set(await sql.column(_PASS_ON, integration_id, list(names))))


async def to_probe(sql: Statements, integration_id: UUID) -> list[str]:
    """The destinations in doubt whose next probe is due, sorted by name, as they are locked."""
    return sorted(await sql.column(_PROBES, integration_id))


async def lift(sql: Statements, found: Collection[tuple[UUID, str]]) -> None:
    """Somebody asked to send to these destinations (integration and name) now: end their rests, and
    have those in doubt probed at once."""
    if found:
        await sql.run(_LIFT, *map(list, zip(*found, strict=True)))


async def rests(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the last rest of a destination ends, by integration; only integrations with one."""
    id, until = delivery_rates.c.integration_id, delivery_rates.c.rests_until
    query = select(id, func.max(until)).where(id.in_(ids), until > func.now()).group_by(id)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def forget(sql: Statements, integration_id: UUID) -> None:
    """The integration was changed, or a test of it succeeded: end all rests and doubts of its
    destinations."""
    await sql.run(_FORGET, integration_id)
