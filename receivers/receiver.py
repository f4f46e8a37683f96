"""A vendor's endpoint on this machine: remembers what arrives, and answers as the vendor does, or
as a test wants it to."""

import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from receivers.arrivals import Arrivals

Json = dict[str, Any]  # a document, as its vendor describes it


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived, and what was answered (0: nothing)."""

    at: float  # time.time()
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer out of the ordinary. `hang`: nothing is answered while the receiver is served;
    `reset`: the connection is cut."""

    status: int = 200
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False


class Receiver(Arrivals[Received]):
    """The base of every vendor's receiver, which overrides `answer`.

    `GET /_received` lists what arrived, as JSON, for those who only have the URL.

    `told` holds replies that are given first, in their order, whatever arrives; `always`, while
    it is set, is given instead of the vendor's own answer once `told` is empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: deque[Reply] = deque()
        self.always: Reply | None = None

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        """The vendor's own answer, errors included; this base, which has no vendor, answers 404."""
        return web.Response(status=404)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if (request.method, request.path) == ("GET", "/_received"):
            return web.json_response([_readable(each) for each in self.received])
        at, body = time.time(), await request.read()
        reply = self.told.popleft() if self.told else self.always
        if reply is None:
            response = await self.answer(request, body)
        elif reply.reset:
            self._note(at, request, body, 0)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        elif reply.hang:
            self._note(at, request, body, 0)
            await self.released.wait()
            return web.Response(status=503)
        else:
            content = reply.body.encode() if isinstance(reply.body, str) else reply.body
            response = web.Response(status=reply.status, body=content, headers=reply.headers)
        self._note(at, request, body, response.status)
        return response

    def _note(self, at: float, request: web.Request, body: bytes, status: int) -> None:
        headers = dict(request.headers)
        self.keep(Received(at, request.method, request.raw_path, headers, body, status))


def _readable(received: Received) -> Json:
    return {**asdict(received), "body": received.body.decode(errors="replace")}


@asynccontextmanager
async def serving(
    receiver: Receiver, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Serve the receiver on loopback within the block; over HTTPS with an Authority's context."""
    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()
