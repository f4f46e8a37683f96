"""Lists a page at a time: `limit` and an opaque `cursor`, answered by `nextCursor`."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from api.errors import ApiError


class Page:
    """One page of a list ordered by id; asks for one row more to know whether there is a next."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        cursor: Annotated[str | None, Query(max_length=100)] = None,
    ) -> None:
        self.limit = limit
        self.after = None if cursor is None else _decode(cursor)

    @property
    def wanted(self) -> int:
        return self.limit + 1

    def answer(self, rows: Sequence[dict[str, Any]], shown: list[Any]) -> dict[str, Any]:
        """The list's envelope; `shown` are the rows as the client sees them."""
        more = len(rows) > self.limit
        cursor = _encode(rows[self.limit - 1]["id"]) if more else None
        return {"data": shown[: self.limit], "nextCursor": cursor}


def _encode(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _decode(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error) as error:
        raise ApiError(422, "cursor_invalid", "this cursor is not one of ours") from error


InPage = Annotated[Page, Depends()]
