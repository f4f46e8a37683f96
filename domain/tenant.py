"""Who a piece of work belongs to."""

import re
from typing import Annotated

from pydantic import AfterValidator

_ULID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
SLUG_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class TenantId(str):
    """A tenant's ULID, lower case. It cannot be empty or hostile: a schema name is built from it.

    Raises ValueError for anything that is not a ULID; an empty schema name would
    mean the default schema to PostgreSQL, so this type is the fence.
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
