"""The outbox: what was accepted and may not have been started, because somebody crashed."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from domain.tenant import TenantId
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that nobody is known to work on."""

    tenant_id: TenantId
    kind: str
    subject: UUID
    count: int


async def waiting(database: Database, older_than: float, limit: int = 500) -> list[Waiting]:
    """Requests that have been waiting for that many seconds, of all tenants, the oldest first."""
    query = text(
        "select tenant_id, kind, subject, count from public.outbox"
        " where created_at < now() - make_interval(secs => :age) order by created_at limit :limit"
    )
    async with database.owner() as connection:
        rows = await connection.execute(query, {"age": older_than, "limit": limit})
        return [
            Waiting(TenantId(row.tenant_id), row.kind, row.subject, row._mapping["count"])
            for row in rows
        ]
