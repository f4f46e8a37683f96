"""Servers that answer with any bytes, and how a call to them fails."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from egress.client import Egress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "s3cr3t"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server of raw bytes on loopback, for answers that no proper server gives."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()


def loopback(port: int) -> str:
    return f"127.0.0.1/32:{port}"


async def failure(out: Egress, url: str, content: bytes = b"{}") -> Failure:
    """How a call to the URL fails; whatever it is, it does not repeat the secret part."""
    with pytest.raises(DeliveryFailed) as caught:
        await out.send("POST", f"{url}/{SECRET}?key={SECRET}", {"Authorization": SECRET}, content)
    assert SECRET not in repr(caught.value.failure)
    assert SECRET not in str(caught.value)
    return caught.value.failure


def kind(found: Failure) -> tuple[FailureClass, bool]:
    return found.kind, found.maybe_sent


NOT_SENT = (FailureClass.TRANSIENT, False)
MAYBE_SENT = (FailureClass.TRANSIENT, True)
BLOCKED = (FailureClass.BLOCKED, False)
