"""Requests over connections that lay ready, which the other side may be closing at that moment."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp


@dataclass(slots=True)
class _Connection:
    is_reused: bool = False


async def _note_reuse(
    _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionReuseconnParams
) -> None:
    if isinstance(context.trace_request_ctx, _Connection):
        context.trace_request_ctx.is_reused = True


def tracing() -> aiohttp.TraceConfig:
    """What a session needs for `request`."""
    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(_note_reuse)
    return config


async def request(
    session: aiohttp.ClientSession, method: str, url: Any, *, repeatable: bool, **options: Any
) -> aiohttp.ClientResponse:
    """One request. Where a connection breaks that lay ready, before anything was answered, most
    often the server had closed it (HTTP/1.1 lets it, at any time): a `repeatable` request, of which
    the receiver knows a repetition, goes out again at once, until it gets one of its own."""
    while True:
        connection = _Connection()
        try:
            return await session.request(method, url, trace_request_ctx=connection, **options)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not (repeatable and connection.is_reused):
                raise
