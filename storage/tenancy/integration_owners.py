"""Which tenant an integration belongs to, for calls that name the integration only."""

from uuid import UUID

from domain.tenant import TenantId
from storage.postgres.database import Database


async def owner_of(database: Database, integration_id: UUID) -> TenantId | None:
    """The tenant of an integration; None if no tenant has it."""
    rows = await database.call("public.owner_of_integration($1)", integration_id)
    return TenantId(rows[0]["tenant_id"]) if rows else None
