"""An HTTP proxy on this machine that supports CONNECT, like those of companies.

It remembers what it was asked, leads where it is told, and can be as bad as real ones are.
"""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Asked:
    """A request as the proxy got it: `CONNECT to HTTP/1.1`, and its headers by lower-case name."""

    method: str
    to: str
    headers: dict[str, str]


@dataclass(slots=True)
class HttpProxy:
    """`leads` says at which port of loopback a `host:port` really is; None: it hangs there.

    `login` is asked for, if set.

    `answer` is given instead of a connection; `hangs` answers nothing; `version` is what it
    speaks; `cut_after` ends a tunnel once so many bytes have come back through it.
    """

    leads: dict[str, int | None] = field(default_factory=dict)
    login: str | None = None
    answer: bytes | None = None
    hangs: bool = False
    version: str = "1.1"
    cut_after: int | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        login = f"{self.login}@" if self.login else ""
        return f"http://{login}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.rstrip().split("\r\n")
        method, to, _ = line.split(" ")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in rest)}
        self.asked.append(Asked(method, to, headers))
        if self.hangs or self.leads.get(to, 0) is None:
            await reader.read()
        elif self.answer is not None:
            writer.write(self.answer)
        elif not self._knows(headers):
            writer.write(self._status("407 Proxy Authentication Required"))
        elif port := self.leads.get(to):
            await self._tunnel(reader, writer, port)
        else:
            writer.write(self._status("502 Bad Gateway"))

    def _knows(self, headers: dict[str, str]) -> bool:
        expected = self.login and f"Basic {b64encode(self.login.encode()).decode()}"
        return expected is None or headers.get("proxy-authorization") == expected

    def _status(self, status: str) -> bytes:
        return f"HTTP/{self.version} {status}\r\nVia: {self.version} proxy\r\n\r\n".encode()

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        # In one piece with the first words of a server that speaks first, as it happens.
        first = await _greeting(there)
        writer.write(self._status("200 Connection established") + first)
        upwards = asyncio.create_task(_copy(reader, back))
        await _copy(there, writer, self.cut_after)
        upwards.cancel()
        back.close()


async def _greeting(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(0.1):
            return await reader.read(1000)
    except TimeoutError:
        return b""


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None
) -> None:
    passed = 0
    while block := await reader.read(65_536):
        writer.write(block if most is None else block[: most - passed])
        await writer.drain()
        passed += len(block)
        if most is not None and passed >= most:
            return


@asynccontextmanager
async def proxying(proxy: HttpProxy) -> AsyncIterator[HttpProxy]:
    """Serve it on loopback for a while."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await proxy.serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy
