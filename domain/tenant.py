"""The id of a tenant, and the form of its slug."""

import re
from typing import Annotated

from pydantic import AfterValidator

_ULID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
SLUG_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class TenantId(str):
    """A tenant's ULID, lower case. Raises ValueError for anything else.

    A schema name is built from it, so it must hold no SQL, and must not be empty: PostgreSQL would
    read an empty schema name as the default schema.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> "TenantId":
        if not _ULID.fullmatch(value):
            raise ValueError(f"not a tenant id: {value!r}")
        return super().__new__(cls, value)

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that holds this tenant's records."""
        return f"tenant_{self}"


TenantIdField = Annotated[str, AfterValidator(TenantId)]
