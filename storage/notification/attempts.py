"""Records how attempts ended, and moves their deliveries to the state that follows from it."""

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from domain.integration.outcome import FailureClass
from domain.integration.stored import SendingIntegration
from domain.notification.backoff import Failures
from domain.notification.delivery import DeliveryStatus
from storage.notification import alerts, order
from storage.notification import destinations as destination
from storage.notification.destinations import Doubt
from storage.notification.outbox import note_wakes
from storage.postgres.statement import Statements, as_json


class Outcome(NamedTuple):
    """How attempt `no` of a delivery ended, at `ended` (time.monotonic()). Texts hold no secrets.

    `wait`, `pause` and `rest` are seconds after `ended`. `wait`: until the next attempt; None if
    the delivery is finished. `pause`: nothing is sent to the destination, to keep its rate.
    `rest`: nothing is sent to it because the vendor asked for that (0 if it named no time).
    `doubts_destination`: it refused our credentials or config, or asked for more than an hour.
    """

    delivery_id: UUID
    no: int
    status: DeliveryStatus
    failures: Failures
    latency_ms: int
    ended: float
    request: str = "null"  # JSON
    response: str = ""
    code: int | None = None
    kind: FailureClass | None = None
    maybe_sent: bool | None = None
    error: str | None = None
    reference: dict[str, str] | None = None
    wait: float | None = None
    pause: float = 0.0
    rest: float = 0.0
    doubts_destination: bool = False
    jitter: float = 1.0  # a factor
    destination: str = ""
    place: str = ""  # the vendor's own name of the destination
    endpoint_gone: bool = False  # the vendor asked us to send nothing more, ever
    tracked: bool = False  # `reference` is kept for later deliveries of the alert

    @property
    def arrived(self) -> bool:
        return self.status in (DeliveryStatus.ACCEPTED, DeliveryStatus.DELIVERED)

    @property
    def discourages(self) -> bool:
        """Whether other sends to the same integration would probably fail in the same way."""
        return self.endpoint_gone or self.kind in (
            FailureClass.THROTTLED,
            FailureClass.MISCONFIGURED,
        )

    def left(self, seconds: float) -> float:
        """How many of the `seconds` after the attempt's end have not passed yet."""
        return max(self.ended + seconds - time.monotonic(), 0.0)


_COUNTS = ("failures", "throttles", "doubts")
_FIELDS = {
    "delivery_id": "uuid",
    "no": "int",
    "status": "text",
    "failures": "int",
    "throttles": "int",
    "doubts": "int",
    "latency_ms": "int",
    "request": "text",
    "response": "text",
    "code": "int",
    "kind": "text",
    "maybe_sent": "boolean",
    "error": "text",
    "reference": "text",
    "wait": "float8",
    "rest": "float8",
}
# The attempt is closed first: if it is closed already, another worker has taken the delivery over.
# A delivery that was cancelled meanwhile stays cancelled, and only its attempt is recorded. If a
# later attempt of the delivery has begun, that attempt decides the delivery's state.
_COMPLETE = f"""
with done as (
    select * from jsonb_to_recordset($1)
    as x ({", ".join(f"{name} {of}" for name, of in _FIELDS.items())})
), closed as (
    update tenant.delivery_attempts a set completed_at = now(), class = done.kind,
        maybe_sent = done.maybe_sent, status_code = done.code, latency_ms = done.latency_ms,
        request = done.request::jsonb, response = done.response, error = done.error,
        next_attempt_at = statement_timestamp() + make_interval(secs =>
            case when done.wait is not null then greatest(done.wait, done.rest) end)
    from done
    where a.delivery_id = done.delivery_id and a.no = done.no and a.completed_at is null
    returning a.delivery_id
), completed as (
    update tenant.notification_deliveries d set status = done.status, failures = done.failures,
        throttles = done.throttles, doubts = done.doubts, lease_until = null,
        last_class = done.kind, last_error = done.error, updated_at = now(),
        reference = coalesce(done.reference::jsonb, d.reference),
        next_attempt_at = least(statement_timestamp() + make_interval(secs => done.wait),
            d.deadline_at),
        completed_at = case when done.status = 'retrying' then null else now() end
    from done join closed on closed.delivery_id = done.delivery_id
    where d.id = done.delivery_id and d.attempts = done.no and d.status = 'sending'
    returning d.id
)
select array_agg(id) as ids from completed
"""
# A worker that was thought dead reports that its delivery arrived. If no later attempt has begun,
# the delivery and its attempt are opened again, so that _COMPLETE can close them as delivered.
_REOPEN = """
with found as (
    update tenant.notification_deliveries d set status = 'sending'
    from unnest($1::uuid[], $2::int[]) as told (id, no)
    where d.id = told.id and d.attempts = told.no and d.status = 'retrying'
        and d.last_class = 'unknown'
    returning d.id, d.attempts as no
)
update tenant.delivery_attempts a set completed_at = null
from found where a.delivery_id = found.id and a.no = found.no
"""
# A change of the integration makes all waiting deliveries due. An answer to the version before the
# change must not delay them again, so a failure locks the integration's row and compares versions.
# A success delays nothing, and takes no lock.
_VERSION = "select version from tenant.integrations where id = $1"
_HELD_VERSION = f"{_VERSION} for share"
# A delivery that was being sent while its integration changed was not waiting then: it becomes due
# here, as the change has made the waiting ones due.
_RETRY_NOW = """
update tenant.notification_deliveries d set next_attempt_at = now()
from tenant.integrations i
where i.id = $1 and i.version <> $2 and d.id = any($3) and d.status = 'retrying'
"""
# A change of a channel has its refused deliveries routed again, as `route_refused_anew` of
# storage/notification/routing/channels.py says. A delivery that was being sent during the change,
# and was refused, is marked for routing here.
_MARK_FOR_ROUTING = """
update tenant.notification_deliveries d set next_attempt_at = null
from tenant.notification_channels c
where d.id = any($1) and d.status = 'retrying' and d.last_class = 'misconfigured'
    and c.id = d.channel_id
    and (c.config, c.integration_id) is distinct from (d.options, d.integration_id)
returning d.request_id
"""


async def complete(
    sql: Statements, integration: SendingIntegration, outcomes: Sequence[Outcome]
) -> None:
    """Record how attempts that used this version of an integration ended, and update the state of
    their destinations: at rest, in doubt, or trusted again. If the integration has changed since,
    the destinations stay as they are: the new version may send elsewhere."""
    id, version = integration["id"], integration["version"]
    is_news = any(each.kind is not None for each in outcomes)
    is_due = is_news or integration["in_doubt"]
    is_present = not is_due or await _is_present(sql, integration, hold=is_news)
    await _close(sql, outcomes)
    if is_present:
        await _conclude(sql, integration, outcomes)
    if tracked := [e.delivery_id for e in outcomes if e.tracked and e.arrived and e.reference]:
        await alerts.keep(sql, tracked)
    if failed := [each.delivery_id for each in outcomes if each.wait is not None]:
        await sql.run(_RETRY_NOW, id, version, failed)
    if refused := [e.delivery_id for e in outcomes if e.kind is FailureClass.MISCONFIGURED]:
        await note_wakes(sql, set(await sql.column(_MARK_FOR_ROUTING, refused)))
    if lost := [e.delivery_id for e in outcomes if e.status is DeliveryStatus.FAILED]:
        await order.restore(sql, lost)


async def _close(sql: Statements, outcomes: Sequence[Outcome]) -> None:
    """Close the attempts. If others have closed an attempt as lost meanwhile, a success is still
    recorded; a failure is not, since the delivery is due again anyway."""
    closed = await _completed(sql, outcomes)
    late = [each for each in outcomes if each.arrived and each.delivery_id not in closed]
    if late:
        await sql.run(_REOPEN, [each.delivery_id for each in late], [each.no for each in late])
        await _completed(sql, late)


async def _completed(sql: Statements, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Close the attempts; the ids of the deliveries whose state was set. Input and result are one
    value each: asyncpg takes twice as long for arrays and rows as for JSON."""
    ids = await sql.value(_COMPLETE, as_json([_values(outcome) for outcome in outcomes]))
    return set(ids or ())


async def _is_present(sql: Statements, integration: SendingIntegration, *, hold: bool) -> bool:
    """Whether the integration still has the same version. With `hold` nobody changes it before the
    transaction ends."""
    version = await sql.value(_HELD_VERSION if hold else _VERSION, integration["id"])
    return bool(version == integration["version"])


async def _conclude(
    sql: Statements, integration: SendingIntegration, outcomes: Sequence[Outcome]
) -> None:
    """Update the state of the destinations by what the outcomes tell of them."""
    id, places = integration["id"], {each.destination for each in outcomes}
    trusted = {each.destination for each in outcomes if each.arrived}
    # If something arrived at the same destination, it works: the refused events are to blame.
    doubted = {
        each.destination: each
        for each in outcomes
        if each.doubts_destination and each.destination not in trusted
    }
    in_doubt = integration["in_doubt"]
    if in_doubt or len(places) > 1:
        await destination.lock(sql, id, places)
    for place, seconds in _longest(outcomes, "pause").items():
        await destination.pause(sql, id, place, seconds)
    throttled = [each for each in outcomes if each.kind is FailureClass.THROTTLED]
    asked = _longest(throttled, "rest")
    for place in sorted({each.destination for each in throttled}):
        await destination.rest(sql, id, place, asked.get(place, 0.0))
    if in_doubt and trusted:
        await destination.trust(sql, id, trusted)
    for place, each in sorted(doubted.items()):
        await destination.doubt(sql, id, Doubt(place, each.jitter, each.left(each.rest)))
    if in_doubt:
        await destination.pass_on(sql, id, places - trusted - doubted.keys())


def _longest(outcomes: Sequence[Outcome], what: Literal["pause", "rest"]) -> dict[str, float]:
    """By destination, the longest `pause` or `rest` that is left, in seconds. Sorted by name, as
    all transactions lock destinations in this order."""
    found: dict[str, float] = {}
    for each in outcomes:
        if left := each.left(getattr(each, what)):
            found[each.destination] = max(left, found.get(each.destination, 0.0))
    return dict(sorted(found.items()))


def _values(outcome: Outcome) -> dict[str, object]:
    """An outcome as _COMPLETE reads it: values by the names in _FIELDS."""
    counts = outcome.failures
    values = {name: getattr(outcome, name) for name in _FIELDS if name not in _COUNTS}
    values |= dict(zip(_COUNTS, (counts.certain, counts.throttled, counts.doubtful), strict=True))
    if outcome.reference is not None:
        values["reference"] = as_json(outcome.reference)
    if outcome.wait is not None:
        values["wait"] = outcome.left(outcome.wait)
        values["rest"] = outcome.left(outcome.rest)
    return values


_STATE = """
with before as (
    select id, connection_status from tenant.integrations where id = $1 for no key update)
update tenant.integrations i set connection_status = $2, last_error = $3,
    is_active = i.is_active and not $4
from before where i.id = before.id and i.version = $5 and ((i.connection_status, i.last_error)
    is distinct from ($2, $3) or ($4 and i.is_active))
returning before.connection_status as before
"""
_LOG = """
insert into tenant.integration_logs (integration_id, level, action, detail, context)
values ($1, $2, $3, $4, $5)
"""


async def note_state(
    sql: Statements, integration: SendingIntegration, status: str, error: str | None, gone: bool
) -> None:
    """Write the connection status of this version of an integration to its row and, if the status
    changed, to its log. A later version is left alone: it may have been made to mend the error."""
    id, version = integration["id"], integration["version"]
    before: str | None = await sql.value(_STATE, id, status, error, gone, version)
    if before not in (None, status):
        level = "info" if status == "connected" else "error"
        detail = error or "deliveries arrive"
        context = as_json({"from": before, "to": status})
        await sql.run(_LOG, id, level, f"delivery_{status}", detail, context)
