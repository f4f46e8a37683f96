"""The outbox: requests that were accepted and whose workflow may not have been started, because a
process crashed; and requests whose workflow is to be woken."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from domain.tenant import TenantId
from storage.postgres.database import Database
from storage.postgres.statement import Statements

OUTBOX_START = "notification"  # this row is deleted once its events are routed (routing/inputs.py)
OUTBOX_WAKE = "wake"  # this row is deleted once its workflow is woken
_MOST = 500  # requests that `waiting` returns


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request whose workflow is to be started (or known to run), or to be woken.

    `rows`: the ids of its outbox rows. A further reason to wake it changes the id of the row or
    adds a row, so that deleting these ids never deletes a reason that was not seen.
    """

    rows: list[UUID]
    tenant_id: TenantId
    kind: str
    subject: UUID
    count: int


# The API starts a request at once, so a row that is not old is left to it; rows that wake a request
# are for workers alone.
_WAITING = text(
    "select array_agg(id) as rows, tenant_id, kind, subject, max(count) as count"
    " from public.outbox where kind = :wake or created_at < now() - make_interval(secs => :age)"
    " group by tenant_id, kind, subject order by min(created_at) limit :limit"
)
# A worker may have read this row, and may have woken the request before this transaction commits;
# it deletes the row that it read, by its id. So the row gets a new id, or, if another transaction
# holds it, a further row is written.
_WAKE = f"""
with known as (
    select id from public.outbox where kind = '{OUTBOX_WAKE}' and subject = any($1::uuid[])
    for update skip locked
), again as (
    update public.outbox o set id = uuidv7() from known where o.id = known.id returning o.subject
)
insert into public.outbox (tenant_id, kind, subject, count)
select current_setting('app.tenant'), '{OUTBOX_WAKE}', r.id, 1 from unnest($1::uuid[]) as r (id)
where r.id not in (select subject from again)
"""
_START = "insert into public.outbox (tenant_id, kind, subject, count) values ($1, $2, $3, $4)"
_DONE = text("delete from public.outbox where id = any(:ids)")


async def waiting(database: Database, older_than: float) -> list[Waiting]:
    """Up to _MOST requests of all tenants that are to be woken, or whose row is older than
    `older_than` seconds; the oldest first."""
    async with database.owner() as connection:
        wanted = {"age": older_than, "limit": _MOST, "wake": OUTBOX_WAKE}
        rows = await connection.execute(_WAITING, wanted)
        return [
            Waiting(row.rows, TenantId(row.tenant_id), row.kind, row.subject, row._mapping["count"])
            for row in rows
        ]


async def woken(database: Database, ids: list[UUID]) -> None:
    """Delete outbox rows (`ids`) whose workflows have been woken."""
    async with database.owner() as connection:
        await connection.execute(_DONE, {"ids": ids})


async def note_wakes(sql: Statements, requests: Collection[UUID]) -> None:
    """Have the workflows of these requests woken after the commit, to look at their deliveries."""
    if requests:
        await sql.run(_WAKE, sorted(requests))


async def note_start(sql: Statements, tenant_id: TenantId, request_id: UUID, count: int) -> None:
    """Have the workflow of a new request of `count` notifications started after the commit."""
    await sql.run(_START, tenant_id, OUTBOX_START, request_id, count)
