"""Pages of lists: requests have `limit` and an opaque `cursor`, answers have `nextCursor`.

Small lists also have numbered pages: requests have `page`, and answers have `pagination` as well.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from api.errors import ApiError
from domain.json_document import Json
from storage.postgres.rows import Identified, Listing, Span

Row = TypeVar("Row", bound=Identified)

_LIMIT = "The most entries to answer with"
_CURSOR = "The `nextCursor` of the previous page; without it, the first page"
_PAGE = "The number of the page, from 1, in place of a cursor"
_DEFAULT_LIMIT = 50


class Page:
    """One page of a list ordered by id. One row more than `limit` is read, to know whether a next
    page exists."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=1000, description=_LIMIT)] = _DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=100, description=_CURSOR)] = None,
    ) -> None:
        self.limit = limit
        self.after = None if cursor is None else _decode(cursor)

    @property
    def wanted(self) -> int:
        """How many rows to read."""
        return self.limit + 1

    def answer(self, rows: Sequence[Identified], shown: list[Json]) -> Json:
        """The answer: `shown` (the rows as JSON) without the extra row, and the next cursor."""
        more = len(rows) > self.limit
        cursor = _encode(rows[self.limit - 1]["id"]) if more else None
        return {"data": shown[: self.limit], "nextCursor": cursor}


def _encode(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _decode(cursor: str) -> UUID:
    """The id in a cursor. Raises ApiError 422 if the text is no cursor."""
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error) as error:
        raise ApiError("cursor_invalid", "this cursor was not made by this service") from error


class NumberedPage(Page):
    """One page of a list that is small enough for its rows to be counted."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=1000, description=_LIMIT)] = _DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=100, description=_CURSOR)] = None,
        page: Annotated[int | None, Query(ge=1, le=1_000_000, description=_PAGE)] = None,
    ) -> None:
        super().__init__(limit, cursor)
        if page is not None and cursor is not None:
            detail = "give either page or cursor, not both"
            raise ApiError("invalid_request", detail, errors=[{"pointer": "/page"}])
        self.number = page

    @property
    def span(self) -> Span:
        """Which rows to read."""
        offset = None if self.number is None else (self.number - 1) * self.limit
        return Span(self.wanted, self.after, offset)

    def answer_of(self, found: Listing[Row], shown: list[Json]) -> Json:
        """As `answer`, with `pagination` if the request had a page number."""
        answer = self.answer(found.rows, shown)
        if found.total is None:
            return answer
        pages = -(-found.total // self.limit)
        counted = {"page": self.number, "perPage": self.limit, "total": found.total}
        return answer | {"pagination": counted | {"totalPages": pages}}


InPage = Annotated[Page, Depends()]
InNumberedPage = Annotated[NumberedPage, Depends()]
