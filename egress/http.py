"""The guarded connection: a name is resolved once, and all its addresses are judged; the one that
is dialled is judged again.

aiohttp is used alone: httpx's own pool is ten times slower, and httpx over aiohttp takes a fifth of
the time of a send (docs/decisions/egress.md).
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from egress.guard import Refused, is_local, permit
from egress.policy import Policy
from egress.reuse import note_dial

_NEGATIVE_SECONDS = 5.0  # how long a name that failed is not asked for again
_NAMES = 10_000  # that failed, and are remembered at a time
_THREADS = 64  # as a look-up that hangs cannot be stopped, and keeps its thread

Lookup = Callable[[str], Iterable[str]]  # name -> addresses; raises OSError


def system_lookup(name: str) -> list[str]:
    """The addresses of a name, as this machine resolves it."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Resolver(AbstractResolver):
    """Resolves names in threads of its own; refuses a name if it leads to a forbidden address.

    `by_proxy`: public names are left as they are, for the proxy to resolve.
    """

    def __init__(
        self, policy: Policy, lookup: Lookup, seconds: float, *, by_proxy: bool = False
    ) -> None:
        self._policy = policy
        self._lookup = lookup
        self._seconds = seconds  # that resolving a name may take
        self._by_proxy = by_proxy
        self._threads = ThreadPoolExecutor(_THREADS, "egress-dns")
        self._asking: dict[str, asyncio.Future[list[str]]] = {}
        # name -> until (loop time), errno, why
        self._failed: dict[str, tuple[float, int | None, str]] = {}
        self.private: set[str] = set()  # names that have ever led to a listed private address

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        ports: frozenset[int] | None = None,
    ) -> list[ResolveResult]:
        """All addresses of the name; the name itself if the proxy resolves it. Raises Refused, or
        OSError if the name has no address.

        `ports` are allowed at public addresses, instead of the policy's.
        """
        if self._by_proxy and not is_local(host):
            if port not in (self._policy.ports if ports is None else ports):
                raise Refused("port_not_allowed", f"port {port} is not allowed")
            return [_result(host, host, port)]
        answers = await self._answers(host)
        listed = [permit(answer, port, self._policy, ports) for answer in answers]
        if any(listed):
            self.private.add(host)
        # A local name must lead to listed private addresses only; no name may mix them with others.
        if not all(listed) and (any(listed) or is_local(host)):
            detail = f"{host} leads to addresses that EGRESS_ALLOW does not list at port {port}"
            raise Refused("blocked_address", detail)
        return [_result(host, answer, port) for answer in answers]

    async def _answers(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        until, *why = self._failed.get(host, (0.0, None, ""))
        if loop.time() < until:
            raise OSError(*why)
        number: int | None = None
        try:
            async with asyncio.timeout(self._seconds):
                answers = await asyncio.shield(self._shared_lookup(host))
            if answers:
                return answers
            text = "no address"
        except TimeoutError:
            # With this number the OSError is a TimeoutError, and aiohttp says that the name failed.
            number, text = errno.ETIMEDOUT, f"no answer in {self._seconds:g} s"
        except OSError as error:
            text = error.strerror or str(error)
        if len(self._failed) >= _NAMES:
            self._failed.clear()
        self._failed[host] = (loop.time() + _NEGATIVE_SECONDS, number, text)
        raise OSError(number, text)

    def _shared_lookup(self, host: str) -> "asyncio.Future[list[str]]":
        """The one look-up of the name, shared by all who ask meanwhile: a thread that hangs in it
        cannot be stopped, and a second look-up would hang as well."""
        asked = self._asking.get(host)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, lambda: list(self._lookup(host)))
            self._asking[host] = asked
            asked.add_done_callback(lambda ended: self._end(host, ended))
        return asked

    def _end(self, host: str, ended: "asyncio.Future[list[str]]") -> None:
        del self._asking[host]
        if not ended.cancelled():
            ended.exception()  # marked as seen, in case nobody waits for it any more

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(name: str, answer: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=name,
        host=answer,
        port=port,
        family=socket.AF_INET6 if ":" in answer else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def guarded_socket(policy: Policy, ports: frozenset[int] | None = None) -> Callable[..., Any]:
    """A socket factory that judges the address to be dialled, as a URL with an address skips the
    resolver."""

    def make(info: tuple[Any, ...]) -> socket.socket:
        note_dial()
        family, kind, proto, _, sockaddr = info
        permit(sockaddr[0], sockaddr[1], policy, ports)
        made = socket.socket(family, kind, proto)
        made.setblocking(False)
        return made

    return make


async def read_most(response: aiohttp.ClientResponse, most: int, body: bytearray) -> None:
    """Add the raw body to `body` as it comes, up to `most` bytes; if it is longer, close the
    connection."""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            response.close()
            del body[most:]
            break
