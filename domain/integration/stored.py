"""An integration as it is stored, as far as calls to its vendor need it."""

from typing import TypedDict
from uuid import UUID

from domain.json_document import Json


class SealedIntegration(TypedDict):
    """What a call to the vendor needs; `credentials` holds the secrets, encrypted by the vault."""

    id: UUID
    type: str
    config: Json
    credentials: str | None
    version: int


class SendingIntegration(SealedIntegration):
    """An integration with its state. `places` holds the vendor's name of a destination by the name
    that is configured. `in_doubt`: one of its destinations rests or is probed since a failure, so
    that a success there has to be recorded."""

    is_active: bool
    connection_status: str
    last_error: str | None
    places: dict[str, str]
    in_doubt: bool
