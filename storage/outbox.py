"""The outbox: what was accepted and may not have been started, because somebody crashed."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from domain.tenant import TenantId
from storage.database import Database
from storage.destination import OUTBOX_WAKE


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that nobody is known to work on, or whose deliveries somebody has to look at:
    `ids` are all rows that say so."""

    ids: list[UUID]
    tenant_id: TenantId
    kind: str
    subject: UUID
    count: int


# Who accepts a request starts it at once; nobody but a worker wakes what a worker found.
_WAITING = text(
    "select array_agg(id) as ids, tenant_id, kind, subject, max(count) as count from public.outbox"
    " where kind = :wake or created_at < now() - make_interval(secs => :age)"
    " group by tenant_id, kind, subject order by min(created_at) limit :limit"
)
_DONE = text("delete from public.outbox where id = any(:ids)")


async def waiting(database: Database, older_than: float, limit: int = 500) -> list[Waiting]:
    """What is to be woken, and requests that have been waiting for that many seconds; of all
    tenants, the oldest first."""
    async with database.owner() as connection:
        wanted = {"age": older_than, "limit": limit, "wake": OUTBOX_WAKE}
        rows = await connection.execute(_WAITING, wanted)
        return [
            Waiting(row.ids, TenantId(row.tenant_id), row.kind, row.subject, row._mapping["count"])
            for row in rows
        ]


async def woken(database: Database, ids: list[UUID]) -> None:
    """They were: their workflows know of it."""
    async with database.owner() as connection:
        await connection.execute(_DONE, {"ids": ids})
