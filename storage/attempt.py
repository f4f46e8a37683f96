"""What became of attempts: the record of each, and with it its delivery's next state."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.delivery import DeliveryStatus, FailureClass
from storage.statement import Row, Statements, as_json


@dataclass(frozen=True, slots=True)
class Outcome:
    """How attempt `no` ended, and when (time.monotonic()). Texts hold no secrets.

    `wait`: seconds from then until the next one, if the delivery goes on. `pause`: seconds from
    then for which the destination is to get nothing at all.
    """

    delivery_id: UUID
    no: int
    status: DeliveryStatus
    failures: int
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
    destination: str = ""
    place: str = ""  # what the vendor calls the destination
    gone: bool = False  # the vendor wants no more at all

    def left(self, seconds: float) -> float:
        """Of so many seconds from its end, those that are still to come."""
        return max(self.ended + seconds - time.monotonic(), 0.0)


_FIELDS = {
    "delivery_id": "uuid",
    "no": "int",
    "status": "text",
    "failures": "int",
    "latency_ms": "int",
    "request": "text",
    "response": "text",
    "code": "int",
    "kind": "text",
    "maybe_sent": "boolean",
    "error": "text",
    "reference": "jsonb",
    "wait": "float8",
}
# The attempt first: if it is closed already, its delivery is somebody else's by now. A delivery
# that was cancelled meanwhile stays so, with the attempt on record; one that is sent again since is
# the later attempt's.
_COMPLETE = f"""
with done as (
    select * from jsonb_to_recordset($1)
    as x ({", ".join(f"{name} {kind}" for name, kind in _FIELDS.items())})
), closed as (
    update tenant.delivery_attempts a set completed_at = now(), class = done.kind,
        maybe_sent = done.maybe_sent, status_code = done.code, latency_ms = done.latency_ms,
        request = done.request::jsonb, response = done.response, error = done.error,
        next_attempt_at = statement_timestamp() + make_interval(secs => done.wait)
    from done
    where a.delivery_id = done.delivery_id and a.no = done.no and a.completed_at is null
    returning a.delivery_id
)
update tenant.notification_deliveries d set status = done.status, failures = done.failures,
    last_class = done.kind, last_error = done.error, updated_at = now(),
    reference = coalesce(done.reference, d.reference),
    next_attempt_at = least(statement_timestamp() + make_interval(secs => done.wait),
        d.deadline_at),
    completed_at = case when done.status = 'retrying' then null else now() end
from done join closed on closed.delivery_id = done.delivery_id
where d.id = done.delivery_id and d.attempts = done.no and d.status = 'sending'
returning d.id
"""
_PAUSE = """
insert into tenant.delivery_rates as r (integration_id, destination, free_at)
select id, $2, clock_timestamp() + make_interval(secs => $3)
from tenant.integrations where id = $1
on conflict (integration_id, destination) do update
set free_at = greatest(r.free_at, excluded.free_at)
"""


async def complete(sql: Statements, integration_id: UUID, outcomes: Sequence[Outcome]) -> None:
    """Record how attempts ended, and have destinations left alone that asked for it."""
    await sql.run(_COMPLETE, as_json([_row(outcome) for outcome in outcomes]))
    pauses: dict[str, float] = {}
    for each in outcomes:
        if left := each.left(each.pause):
            pauses[each.destination] = max(left, pauses.get(each.destination, 0.0))
    for destination, left in sorted(pauses.items()):
        await sql.run(_PAUSE, integration_id, destination, left)


def _row(outcome: Outcome) -> Row:
    row = {name: getattr(outcome, name) for name in _FIELDS}
    if outcome.wait is not None:
        row["wait"] = outcome.left(outcome.wait)
    return row


_STATE = """
with before as (select id, connection_status from tenant.integrations where id = $1 for update)
update tenant.integrations i set connection_status = $2, last_error = $3,
    is_active = i.is_active and not $4
from before where i.id = before.id and ((i.connection_status, i.last_error)
    is distinct from ($2, $3) or ($4 and i.is_active))
returning before.connection_status as before
"""
_LOG = """
insert into tenant.integration_logs (integration_id, level, action, detail, context)
values ($1, $2, $3, $4, $5)
"""


async def note_state(
    sql: Statements, integration_id: UUID, status: str, error: str | None, gone: bool
) -> Row | None:
    """Say how the integration fares, in its row and, where that changed, in its log."""
    changed = await sql.row(_STATE, integration_id, status, error, gone)
    if changed is not None and changed["before"] != status:
        level = "info" if status == "connected" else "error"
        detail = error or "deliveries arrive"
        context = as_json({"from": changed["before"], "to": status})
        await sql.run(_LOG, integration_id, level, f"delivery_{status}", detail, context)
    return changed
