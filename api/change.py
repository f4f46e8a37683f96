"""What changes have in common: bodies that leave out what stays as it is, and the audit log."""

from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller
from domain.json_document import Json
from storage.tenancy import audit


def without_defaults(schema: Json) -> None:
    """For `json_schema_extra`: a default is for what is made, and says nothing of a change."""
    for described in schema["properties"].values():
        described.pop("default", None)


async def note(
    connection: AsyncConnection, caller: Caller, action: str, kind: str, id: object
) -> None:
    """For the audit log: the caller did that (`create`, `update`, …) to what has this id."""
    await audit.note(
        connection, caller.tenant_id, caller.key_id, f"{kind}.{action}", f"{kind}/{id}"
    )
