"""The one door out: every call to somebody else's server goes through the guard."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from urllib.parse import urlsplit

import aiohappyeyeballs
import aiohttp
import httpx

from channels.address import Policy
from channels.guard import SMTP_PORTS, Refused, is_literal, parse_host, parse_target, permit
from channels.http import (
    CONNECT_SECONDS,
    Lookup,
    Resolver,
    Transport,
    guarded_socket,
    system_lookup,
)
from domain.delivery import DeliveryFailed, Failure, FailureClass

TOTAL_SECONDS = 15.0

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What the connection itself decides, and what would have an answer packed.
_FRAMING = frozenset(
    ["accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; header names are lower case, the body is cut at BODY_BYTES.

    `private`: it came from a destination of EGRESS_ALLOW, so nobody is shown the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    private: bool = False


class Egress:
    """One process's way out. Made by `egress`."""

    def __init__(
        self, policy: Policy, resolver: Resolver, session: aiohttp.ClientSession, total: float
    ) -> None:
        self.session = session  # for clients that bring their own requests; guarded at the dial
        self._policy = policy
        self._resolver = resolver
        self.total = total  # seconds that a call may take
        self._client = httpx.AsyncClient(
            transport=Transport(session), trust_env=False, follow_redirects=False
        )
        self.check = lru_cache(4_096)(partial(parse_target, policy=policy))

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """One request, no redirects. Raises DeliveryFailed where no whole answer came."""
        _check_headers(headers)
        host = "the address"
        with translated("the address"):
            canonical = self.check(url)
        host = str(urlsplit(canonical).hostname)
        request = httpx.Request(
            method, canonical, headers={**_DEFAULTS, **headers}, content=content
        )
        with translated(host):
            async with asyncio.timeout(self.total):
                response = await self._client.send(request, stream=True)
                body = b"".join([chunk async for chunk in response.aiter_raw()])
        return Reply(
            response.status_code, dict(response.headers), body, self._is_private(canonical)
        )

    async def open_socket(self, host: str, port: int) -> socket.socket:
        """A connected socket to a mail server. Raises DeliveryFailed.

        Public servers are called at the ports of SMTP only, private ones where EGRESS_ALLOW says.
        """
        with translated(host):
            name = parse_host(host)
            try:
                async with asyncio.timeout(min(CONNECT_SECONDS, self.total)):
                    return await self._dial(name, port)
            except TimeoutError:
                raise aiohttp.ConnectionTimeoutError from None

    def is_listed(self, connected: socket.socket) -> bool:
        """Whether it leads to a private destination of EGRESS_ALLOW."""
        host, port = connected.getpeername()[:2]
        return permit(host, port, self._policy, SMTP_PORTS)

    async def _dial(self, name: str, port: int) -> socket.socket:
        answers = [name]
        if not is_literal(name):
            found = await self._resolver.resolve(name, port, ports=SMTP_PORTS)
            answers = [answer["host"] for answer in found]
        return await aiohappyeyeballs.start_connection(
            [_addr_info(answer, port) for answer in answers],
            happy_eyeballs_delay=0.25,
            socket_factory=guarded_socket(self._policy, SMTP_PORTS),
        )

    def _is_private(self, canonical: str) -> bool:
        parts = urlsplit(canonical)
        host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        if is_literal(host):
            return permit(host, port, self._policy)
        return host in self._resolver.private


_DEFAULTS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "FireLater"}


def _addr_info(answer: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in answer else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (answer, port)


@asynccontextmanager
async def egress(
    allow: str, *, total: float = TOTAL_SECONDS, lookup: Lookup = system_lookup
) -> AsyncIterator[Egress]:
    """Open the door as EGRESS_ALLOW says; a call takes `total` seconds at most."""
    policy = Policy.parse(allow)
    resolver = Resolver(policy, lookup)
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        socket_factory=guarded_socket(policy),
        ssl=ssl.create_default_context(),
        limit=0,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=min(CONNECT_SECONDS, total)),
    ) as session:
        yield Egress(policy, resolver, session, total)
    await resolver.close()


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Every way in which no answer comes, as the one class of failure it is."""
    try:
        yield
    except Refused as refused:
        raise _failed(FailureClass.BLOCKED, f"{host}: {refused.code}: {refused.detail}") from None
    except aiohttp.ConnectionTimeoutError:
        raise _failed(FailureClass.TRANSIENT, f"{host}: no connection in time") from None
    except (ssl.SSLError, ssl.CertificateError, aiohttp.ClientSSLError) as error:
        raise _failed(FailureClass.TRANSIENT, f"{host}: {_tls(error)}") from None
    except aiohttp.ClientConnectorDNSError as error:
        detail = f"{host}: the name could not be resolved: {error.os_error}"
        raise _failed(FailureClass.TRANSIENT, detail) from None
    except aiohttp.ClientConnectorError as error:
        why = error.os_error.strerror or "unreachable"
        raise _failed(FailureClass.TRANSIENT, f"{host}: no connection: {why}") from None
    except TimeoutError:
        raise _failed(FailureClass.TRANSIENT, f"{host}: no answer in time", sent=True) from None
    except (aiohttp.ClientError, OSError) as error:
        detail = f"{host}: the connection broke ({type(error).__name__})"
        raise _failed(FailureClass.TRANSIENT, detail, sent=True) from None


def _tls(error: Exception) -> str:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    why = getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or "TLS failed"
    return f"TLS or its certificate: {why}"


def _failed(kind: FailureClass, detail: str, *, sent: bool = False) -> DeliveryFailed:
    return DeliveryFailed(Failure(kind, detail, maybe_sent=sent))


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what would change the request's frame, or add headers of its own."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _FRAMING:
            raise _failed(FailureClass.PERMANENT, f"the header {name!r} cannot be set")
        if not (value.isascii() and value.isprintable()):
            raise _failed(FailureClass.PERMANENT, f"the header {name} has characters it cannot")


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the server asks to wait (RFC 9110 §10.2.3: a number or a date); None if not.

    Never negative; how long is too long is for the caller to say.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value, re.ASCII):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds()) if at.tzinfo else None
