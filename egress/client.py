"""The one door out: every call to somebody else's server goes through the guard."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohappyeyeballs
import aiohttp
import yarl

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.integration.retry_schedule import USUAL_LIFE
from egress.address import Network, address, around
from egress.guard import is_literal, parse_host, parse_target
from egress.headers import check_headers, with_defaults
from egress.http import Lookup, Resolver, guarded_socket, read_most, system_lookup
from egress.policy import DEFAULT_PORTS, SMTP_PORTS, Policy
from egress.reuse import request
from egress.route import UNCHECKED, Route
from egress.transport_errors import translated
from egress.tunnel import Tunnels, connector

_log = logging.getLogger(__name__)
BODY_BYTES = 64 * 2**10  # of an answer, at most; the rest is not read
TOTAL_SECONDS = 15.0  # for a call, from the look-up of the name to the end of the answer


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; header names are lower case, the body is cut at BODY_BYTES.

    `private`: it came from a private destination of EGRESS_ALLOW, so its body is not shown.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    private: bool = False


class _Target(NamedTuple):
    """A URL that may be called; `listed`: its host is a private address of EGRESS_ALLOW."""

    canonical: str
    url: yarl.URL
    host: str
    listed: bool


class Egress:
    """The way out of one process, for all its tenants, so it keeps no cookies. Made by `egress`.

    `session` is for vendors' own clients: it guards the addresses that they dial. Their URLs need
    `check` besides, as the session does not judge how a URL is written. A call may take `total`
    seconds.
    """

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        session: aiohttp.ClientSession,
        total: float,
        route: Route,
    ) -> None:
        self.session = session
        self.trust = route.trust  # the certificate authorities that are trusted
        self._policy = policy
        self._resolver = resolver
        self._tunnels = Tunnels(policy, route, SMTP_PORTS)
        self._way = ", through the operator's proxy" if route.proxy else ""
        self.total = total
        self._target = lru_cache(4_096)(self._parse)

    def check(self, url: str) -> str:
        """The canonical form of a URL that may be called. Raises guard.Refused."""
        return self._target(url).canonical

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes = b"",
        *,
        whole: bool = True,
        repeatable: bool = False,
    ) -> Reply:
        """Send one request and return the answer; redirects are not followed. Raises DeliveryFailed
        if no answer comes.

        `whole`: an answer whose body breaks off counts as none, unless its status alone decides.
        `repeatable`: the request may reach the server twice (see egress/reuse.py).
        """
        check_headers(headers)
        with translated("the URL"):
            target = self._target(url)
        response: aiohttp.ClientResponse | None = None
        body = bytearray()
        with translated(target.host + self._way):
            try:
                async with asyncio.timeout(self.total):
                    response = await request(
                        self.session,
                        method,
                        target.url,
                        repeatable=repeatable,
                        headers=with_defaults(headers),
                        data=content or None,
                        allow_redirects=False,
                        skip_auto_headers=("Content-Type",),
                    )
                    await read_most(response, BODY_BYTES, body)
            except (aiohttp.ClientError, OSError):
                if response is None or (whole and not _status_decides(response.status)):
                    raise
            finally:
                if response is not None:
                    response.close()
        answered = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, answered, bytes(body), self._leads_inside(target))

    async def open_socket(self, host: str, port: int) -> socket.socket:
        """A connected socket to a mail server, not blocking. Raises DeliveryFailed.

        Public servers are called at the ports of SMTP only, private ones as EGRESS_ALLOW lists.
        """
        with translated(host + self._way):
            name = parse_host(host)
            try:
                async with asyncio.timeout(self.total / 3):
                    answers = await self._answers(name, port)
                    return await self._dial(answers, port)
            except OSError as error:  # whatever it is, nothing was sent yet
                why = error.strerror or str(error) or "not in time"
                detail = f"{name}{self._way}: no connection: {why}"
                is_late = isinstance(error, TimeoutError)
                failure = Failure(FailureClass.TRANSIENT, detail, timed_out=is_late)
                raise DeliveryFailed(failure) from None

    def lists(self, literal: str, port: int) -> bool:
        """Whether a dialled address is a private destination of EGRESS_ALLOW; never so for a name
        that the proxy resolved."""
        return is_literal(literal) and self._policy.lists(address(literal), port)

    def _parse(self, url: str) -> _Target:
        canonical = parse_target(url, self._policy)
        parts = urlsplit(canonical)
        # Not encoded anew: Teams signs its URLs with %2F in them.
        written = yarl.URL(canonical, encoded=True)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        return _Target(canonical, written, host, self.lists(host, port))

    async def _answers(self, name: str, port: int) -> list[str]:
        if is_literal(name):
            return [name]
        found = await self._resolver.resolve(name, port, ports=SMTP_PORTS)
        return [answer["host"] for answer in found]

    async def _dial(self, answers: list[str], port: int) -> socket.socket:
        if self._tunnels.are_for(answers[0], port):
            return await self._tunnels.open(answers, port)
        make = guarded_socket(self._policy, SMTP_PORTS)
        infos = [_addr_info(answer, port) for answer in answers]
        return await aiohappyeyeballs.start_connection(
            infos, happy_eyeballs_delay=0.25, socket_factory=make
        )

    def _leads_inside(self, target: _Target) -> bool:
        return target.host in self._resolver.private or target.listed


def _status_decides(status: int) -> bool:
    """Whether the status alone decides what becomes of a delivery: with these, no vendor's body
    makes an answer a success or a final refusal."""
    return status in (401, 403, 429) or 300 <= status < 400 or status >= 500


def _addr_info(answer: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in answer else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (answer, port)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the server asks to wait (RFC 9110 §10.2.3), given as a number or a date.

    From 0 to USUAL_LIFE seconds: a longer wish counts as that long. None if the header is missing
    or cannot be read.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), USUAL_LIFE)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), USUAL_LIFE)


@asynccontextmanager
async def egress(
    allow: str,
    own: Iterable[str] = (),
    route: Route | None = None,
    *,
    total: float = TOTAL_SECONDS,
    lookup: Lookup = system_lookup,
) -> AsyncIterator[Egress]:
    """Open the way out as EGRESS_ALLOW says, but not to our `own` servers (`host:port`).

    A call takes `total` seconds at most, connecting a third of it. Raises a ValueError that names
    a bad entry of EGRESS_ALLOW.
    """
    route = route or Route()
    policy = await opened(allow, own, lookup)
    resolver = Resolver(policy, lookup, total / 3, by_proxy=route.resolves)
    if route.resolves:
        _log.warning(UNCHECKED)
    async with aiohttp.ClientSession(
        connector=connector(policy, resolver, route),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=total / 3),
    ) as session:
        yield Egress(policy, resolver, session, total, route)
    await resolver.close()


async def opened(allow: str, own: Iterable[str], lookup: Lookup = system_lookup) -> Policy:
    """The policy of EGRESS_ALLOW, which excludes our own servers. Raises a ValueError that names a
    bad entry."""
    servers = tuple(_host_and_port(server) for server in own)
    names = frozenset((host.lower(), port) for host, port in servers)
    return replace(Policy.parse(allow), own=await _networks_of(servers, lookup), own_names=names)


def _host_and_port(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)


async def _networks_of(
    own: Iterable[tuple[str, int]], lookup: Lookup
) -> tuple[tuple[Network, int], ...]:
    """The networks and ports of our own servers. A server whose name has no address at this moment
    is left out, and is then excluded by its name only."""
    reached: list[tuple[Network, int]] = []
    for host, port in own:
        literals: Iterable[str] = [host]
        if not is_literal(host):
            try:
                literals = await asyncio.to_thread(lookup, host)
            except OSError:
                continue
        reached += [(network, port) for literal in literals for network in around(literal)]
    return tuple(reached)
