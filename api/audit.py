"""Writes to the audit log for routes."""

from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller
from storage.tenancy import audit


async def note(
    connection: AsyncConnection, caller: Caller, action: str, kind: str, id: object
) -> None:
    """Record in the audit log that the caller did `action`, such as `create`, to the object of this
    `kind` and id."""
    await audit.note(
        connection, caller.tenant_id, caller.key_id, f"{kind}.{action}", f"{kind}/{id}"
    )
