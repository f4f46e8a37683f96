"""The audit log, as routes write to it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller
from storage.tenancy import audit


async def note(
    connection: AsyncConnection, caller: Caller, action: str, kind: str, id: object
) -> None:
    """For the audit log: the caller did that (`create`, `update`, …) to what has this id."""
    await audit.note(
        connection, caller.tenant_id, caller.key_id, f"{kind}.{action}", f"{kind}/{id}"
    )
