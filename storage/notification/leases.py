"""Leases of claimed deliveries: a slow send renews one, and a worker that dies lets it end."""

from uuid import UUID

from domain.notification.backoff import LOST
from storage.notification.claimed import Claimed
from storage.postgres.statement import Statements

# A worker that has claimed a delivery and gives no sign of life for so long is taken to be dead. A
# send starts at most 15 s after its claim (a slot is up to 5 s ahead, and may be missed by 10 s),
# an HTTP call ends after 15 s, and a worker that sends one by one renews the lease every 10 s.
LEASE_SECONDS = 35
# Deliveries that an earlier version has claimed have no `lease_until`.
LEASE_END = f"coalesce(lease_until, updated_at + interval '{LEASE_SECONDS} s')"

_RELEASE = """
with given as (
    delete from tenant.delivery_attempts a
    using unnest($1::uuid[], $2::int[], $3::timestamptz[]) as g (delivery_id, no, began)
    where a.delivery_id = g.delivery_id and a.no = g.no and a.started_at = g.began
        and a.completed_at is null
    returning a.delivery_id, a.no
)
update tenant.notification_deliveries d
set status = case when d.attempts = 1 then 'pending' else 'retrying' end,
    attempts = d.attempts - 1, updated_at = now()
from given where d.id = given.delivery_id and d.attempts = given.no and d.status = 'sending'
"""


async def release(sql: Statements, claimed: list[Claimed]) -> None:
    """Give back claimed deliveries that were not sent, and delete their attempts. The next claim
    uses the attempt's number again, so a repeated release recognises its own claim by `began`."""
    fields = ("delivery_id", "no", "began")
    await sql.run(_RELEASE, *([getattr(each, name) for each in claimed] for name in fields))


# Materialized: without statistics of the tables, the planner would read all open deliveries once
# for each open attempt.
_RECLAIM = f"""
with due as materialized (
    select d.id, d.attempts as no, make_interval(secs =>
        ($2::float8[])[least(d.doubts + 1, cardinality($2::float8[]))]) as wait
    from tenant.notification_deliveries d
    where d.integration_id = $1 and d.status = 'sending' and d.completed_at is null
        and {LEASE_END} < now()
), lost as (
    update tenant.delivery_attempts a set completed_at = now(), class = 'unknown',
        maybe_sent = true, next_attempt_at = now() + due.wait,
        error = 'outcome unknown: the worker stopped before it recorded the answer'
    from due where a.delivery_id = due.id and a.no = due.no and a.completed_at is null
    returning a.delivery_id, due.wait
)
update tenant.notification_deliveries d set status = 'retrying',
    next_attempt_at = least(now() + lost.wait, d.deadline_at), doubts = doubts + 1,
    last_class = 'unknown', updated_at = now(),
    last_error = 'outcome unknown: the worker stopped before it recorded the answer'
from lost where d.id = lost.delivery_id and d.status = 'sending'
"""
_RENEW = f"""
update tenant.notification_deliveries d set lease_until = now() + interval '{LEASE_SECONDS} s'
where d.id = $1 and d.attempts = $2 and d.status = 'sending' and d.completed_at is null
"""


async def reclaim(sql: Statements, integration_id: UUID) -> None:
    """Close attempts whose lease has ended (their worker died) as `unknown`; their deliveries are
    tried again."""
    await sql.run(_RECLAIM, integration_id, list(LOST.delays))


async def renew(sql: Statements, claimed: Claimed) -> None:
    """Prolong the lease of a delivery that is still being sent."""
    await sql.run(_RENEW, claimed.delivery_id, claimed.no)
