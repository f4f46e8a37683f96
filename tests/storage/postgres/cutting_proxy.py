"""TCP proxies: one cuts connections in the middle of an answer, one changes its bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


@asynccontextmanager
async def cutting_proxy(target: str, answer_bytes: int) -> AsyncIterator[str]:
    """The URL of a proxy to `target` that cuts each connection after so many bytes of answer."""
    upstream = urlsplit(target)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source, sink = await asyncio.open_connection(upstream.hostname, upstream.port)
        asking = asyncio.create_task(_copy(reader, sink))
        with suppress(ConnectionError):  # the reader has had enough
            await _copy(source, writer, answer_bytes)
        asking.cancel()
        for each in (writer, sink):
            each.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None = None
) -> None:
    passed = 0
    while limit is None or passed < limit:
        piece = await reader.read(2**16)
        if not piece:
            return
        passed += len(piece)
        writer.write(piece)
        await writer.drain()


@asynccontextmanager
async def falsifying_proxy(target: str, said: bytes, instead: bytes) -> AsyncIterator[str]:
    """The URL of a proxy to `target` that puts other bytes, as many, in place of what is said."""
    assert len(said) == len(instead)
    upstream = urlsplit(target)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source, sink = await asyncio.open_connection(upstream.hostname, upstream.port)
        asking = asyncio.create_task(_copy(reader, sink))
        with suppress(ConnectionError):
            while piece := await source.read(2**16):
                writer.write(piece.replace(said, instead))
                await writer.drain()
        asking.cancel()
        for each in (writer, sink):
            each.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
