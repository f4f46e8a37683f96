"""An integration as it is stored, as far as calls to its vendor need it."""

from typing import TypedDict
from uuid import UUID

from domain.json_document import Json


class SealedIntegration(TypedDict):
    """What is opened to call the vendor; `credentials` holds the secrets sealed by the vault."""

    id: UUID
    type: str
    config: Json
    credentials: str | None
    version: int


class SendingIntegration(SealedIntegration):
    """With its state. `places`: the vendor's names of destinations, by ours. `in_doubt`: a success
    would be news to one of its destinations."""

    is_active: bool
    connection_status: str
    last_error: str | None
    places: dict[str, str]
    in_doubt: bool
