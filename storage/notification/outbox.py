"""The outbox: what was accepted and may not have been started, because somebody crashed; and what
is to be woken."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from domain.tenant import TenantId
from storage.postgres.database import Database
from storage.postgres.statement import Statements

OUTBOX_WAKE = "wake"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that nobody is known to work on, or whose deliveries somebody has to look at.

    `rows`: all that say so. Who finds one more reason writes a row of its own: one that is there
    may be answered already, before the reason was to be seen.
    """

    rows: list[UUID]
    tenant_id: TenantId
    kind: str
    subject: UUID
    count: int


# Who accepts a request starts it at once; nobody but a worker wakes what a worker found.
_WAITING = text(
    "select array_agg(id) as rows, tenant_id, kind, subject, max(count) as count"
    " from public.outbox where kind = :wake or created_at < now() - make_interval(secs => :age)"
    " group by tenant_id, kind, subject order by min(created_at) limit :limit"
)
# A worker that is at it may have woken the request before what is written here; it takes away what
# it read, by its id. So that is changed, or, where another holds the row, written once more.
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
_DONE = text("delete from public.outbox where id = any(:ids)")


async def waiting(database: Database, older_than: float, limit: int = 500) -> list[Waiting]:
    """What is to be woken, and requests that have been waiting for that many seconds; of all
    tenants, the oldest first."""
    async with database.owner() as connection:
        wanted = {"age": older_than, "limit": limit, "wake": OUTBOX_WAKE}
        rows = await connection.execute(_WAITING, wanted)
        return [
            Waiting(row.rows, TenantId(row.tenant_id), row.kind, row.subject, row._mapping["count"])
            for row in rows
        ]


async def woken(database: Database, ids: list[UUID]) -> None:
    """They were: their workflows know of it."""
    async with database.owner() as connection:
        await connection.execute(_DONE, {"ids": ids})


async def note_wakes(sql: Statements, requests: Collection[UUID]) -> None:
    """Have the workflows of a tenant's requests look at their deliveries after this commit."""
    if requests:
        await sql.run(_WAKE, sorted(requests))
