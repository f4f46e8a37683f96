"""Requests over connections that lay ready, which the other side may be closing at that moment."""

from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

# Of the connection that this task was given last. A session's tracing would say it, too, and cost
# an eighth of the CPU time of a delivery.
_is_reused = ContextVar("_is_reused", default=False)


class Noting(aiohttp.TCPConnector):
    """Notes whether the connection that it gives has been given before; `request` needs it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._given: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, *args: Any, **options: Any) -> Connection:
        _is_reused.set(False)
        connection = await super().connect(*args, **options)
        protocol = connection.protocol
        assert protocol is not None, "a connection that is open has its protocol"
        _is_reused.set(protocol in self._given)
        self._given.add(protocol)
        return connection


async def request(
    session: aiohttp.ClientSession, method: str, url: Any, *, repeatable: bool, **options: Any
) -> aiohttp.ClientResponse:
    """One request. Where a connection breaks that lay ready, before anything was answered, most
    often the server had closed it (HTTP/1.1 lets it, at any time): a `repeatable` request, of which
    the receiver knows a repetition, goes out again at once, until it gets one of its own."""
    while True:
        try:
            return await session.request(method, url, **options)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not (repeatable and _is_reused.get()):
                raise
