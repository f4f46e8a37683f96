"""Requests over reused connections, which the server may be closing at that moment."""

from contextvars import ContextVar
from typing import Any

import aiohttp

from egress.guard import Refused

# The connections that the current request has opened. aiohttp's tracing would tell of those that it
# reuses, but takes an eighth of a delivery's CPU time.
_dials: ContextVar[list[None] | None] = ContextVar("_dials", default=None)


def note_dial() -> None:
    """Note that a connection is opened; to be called in the context of its request."""
    made = _dials.get()
    if made is not None:
        made.append(None)


async def request(
    session: aiohttp.ClientSession, method: str, url: Any, *, repeatable: bool, **options: Any
) -> aiohttp.ClientResponse:
    """Send one request, and once more if the reused connection that it was sent on breaks.

    If that happens before the answer's head is whole, the server had most often closed the
    connection, as HTTP/1.1 allows at any time. A `repeatable` request, whose receiver recognises a
    repetition, is then sent again at once; but only once (RFC 9110 §9.2.2), as the request itself
    may be what breaks connections. If the repetition cannot be sent, the first failure is raised,
    as the first request may have arrived.
    """
    made: list[None] = []
    _dials.set(made)
    try:
        return await session.request(method, url, **options)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if made or not repeatable or isinstance(error, aiohttp.ClientConnectorError):
            raise
        broken = error
    try:
        return await session.request(method, url, **options)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, Refused):
        raise broken from None
