"""The audit log: who changed what. Rows are only ever added."""

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.tenant import TenantId
from storage.tenancy.tables import audit_log


async def note(
    connection: AsyncConnection, tenant_id: TenantId, actor: str, action: str, subject: str
) -> None:
    """Add an entry. `actor` names who did it, `action` what was done (`integration.update`),
    `subject` what it was done to (`…/{id}`)."""
    row = {"tenant_id": tenant_id, "actor": actor, "action": action, "subject": subject}
    await connection.execute(insert(audit_log).values(row))
