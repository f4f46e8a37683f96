"""The operator's HTTP proxy: a tunnel through it to an address that the guard let pass.

CONNECT (RFC 9110 §9.3.6) is sent with the address instead of the name, so that nobody resolves it
a second time. Inside the tunnel, TLS, its SNI and the Host header use the name, as without a proxy.
"""

import asyncio
import re
import socket
from base64 import b64encode
from dataclasses import dataclass, field
from errno import ECONNREFUSED
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import aiohappyeyeballs

_HEAD_BYTES = 16 * 2**10  # of an answer to CONNECT, at most
_HEAD_ENDS = (b"\r\n\r\n", b"\n\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")  # some still speak 1.0
_ADVICE = {
    403: " (does it let this port through? Many only have 443)",
    407: " (EGRESS_PROXY has no user and password, or not those it wants)",
}


class Tunnel(socket.socket):
    """A connection whose peer is where the proxy leads, not the proxy."""

    leads_to: tuple[str, int]

    def getpeername(self) -> tuple[str, int]:
        return self.leads_to


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy's address, and our credentials, which are sent to it alone."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """From EGRESS_PROXY. The ValueError raised does not quote it, as it may hold a password."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not (host and port and parts.scheme == "http") or parts.path.strip("/") or parts.query:
            raise ValueError(
                "EGRESS_PROXY: write http://user:password@host:port, special characters as %XX"
            )
        if parts.username is None:
            return cls(host, port)
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(host, port, f"Basic {b64encode(login.encode()).decode()}")

    async def connect(self, host: str, port: int) -> Tunnel:
        """A socket, not blocking, that leads to the address (or to a name, for the proxy to
        resolve). Raises an OSError that says what the proxy did; the server was sent nothing then.
        """
        wire = await self._reached()
        try:
            _judge(await self._answer(wire, host, port))
        except BaseException:
            wire.close()
            raise
        wire.leads_to = (host, port)
        return wire

    async def _reached(self) -> Tunnel:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            wire = await aiohappyeyeballs.start_connection(
                found, happy_eyeballs_delay=0.25, socket_factory=_tunnel
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: the host cannot be a name
            why = getattr(error, "strerror", None) or error
            raise _failed(f"no connection to it: {why}") from None
        assert isinstance(wire, Tunnel), "not made here"
        return wire

    async def _answer(self, wire: Tunnel, host: str, port: int) -> bytes:
        """The head of the proxy's answer to CONNECT."""
        try:
            await asyncio.get_running_loop().sock_sendall(wire, self._request(host, port))
            return await _head(wire)
        except ConnectionError as error:
            raise _failed(error.strerror or "it hung up") from None

    def _request(self, host: str, port: int) -> bytes:
        to = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {to} HTTP/1.1", f"Host: {to}"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return "\r\n".join([*lines, "", ""]).encode()


def _judge(head: bytes) -> None:
    """Raises an OSError that says why, unless the head is whole and tells of a tunnel."""
    if not head.endswith(_HEAD_ENDS):
        is_endless = len(head) > _HEAD_BYTES
        raise _failed("its answer does not end" if is_endless else "it hung up without an answer")
    answered = _STATUS.match(head)
    if answered is None:
        raise _failed("it does not answer as an HTTP proxy does")
    status = int(answered[1])
    if not 200 <= status <= 299:
        raise _failed(f"it answered {status}{_ADVICE.get(status, '')}")


def _tunnel(info: tuple[Any, ...]) -> Tunnel:
    made = Tunnel(*info[:3])
    made.setblocking(False)
    return made


async def _head(wire: socket.socket) -> bytes:
    """The answer up to its empty line, and not a byte of what follows, as a mail server speaks
    first; what came of it if the proxy hangs up before, or the answer is too long."""
    head = bytearray()
    while not head.endswith(_HEAD_ENDS) and len(head) <= _HEAD_BYTES:
        byte = await asyncio.get_running_loop().sock_recv(wire, 1)
        if not byte:
            break
        head += byte
    return bytes(head)


def _failed(why: str) -> OSError:
    return OSError(ECONNREFUSED, f"the operator's proxy: {why}")
