"""Dial for an HTTP session or for mail, directly or through the operator's proxy."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from egress.address import address
from egress.guard import is_literal, permit
from egress.http import Resolver, guarded_socket
from egress.policy import Policy
from egress.reuse import note_dial
from egress.route import Route

_PATIENCE = 1.5  # seconds that the proxy has for each address but the last


@dataclass(frozen=True, slots=True)
class Tunnels:
    """Sockets through the route's proxy, to what the guard lets pass.

    `ports` are allowed at public addresses, instead of the policy's.
    """

    policy: Policy
    route: Route
    ports: frozenset[int] | None = None

    def are_for(self, host: str, port: int) -> bool:
        """Whether this destination is called through the proxy."""
        if self.route.proxy is None:
            return False
        inside = is_literal(host) and self.policy.lists(address(host), port)
        return not (self.route.listed_direct and inside)

    async def open(self, hosts: Iterable[str], port: int) -> socket.socket:
        """A socket to the first of the hosts that the proxy reaches. Raises Refused, or an OSError
        that says what the proxy did.

        IPv4 goes first, and only the last host has all the time that is left: proxies often have no
        way to IPv6, and some do not answer then.
        """
        assert self.route.proxy is not None, "no proxy"
        note_dial()
        last = OSError("no address")
        for left, host in _countdown(sorted(hosts, key=lambda host: ":" in host)):
            if is_literal(host):  # names are here only where the proxy resolves them
                permit(host, port, self.policy, self.ports)
            try:
                async with asyncio.timeout(_PATIENCE if left else None):
                    return await self.route.proxy.connect(host, port)
            except OSError as error:
                last = error
        raise last


def _countdown(hosts: list[str]) -> Iterator[tuple[int, str]]:
    """Each host, and how many come after it."""
    return zip(reversed(range(len(hosts))), hosts, strict=True)


def connector(policy: Policy, resolver: Resolver, route: Route) -> aiohttp.TCPConnector:
    """The connector with which a session dials."""
    kind = aiohttp.TCPConnector if route.proxy is None else _Tunnelling
    made = kind(resolver=resolver, socket_factory=guarded_socket(policy), ssl=route.trust, limit=0)
    if isinstance(made, _Tunnelling):
        made.tunnels = Tunnels(policy, route)
    return made


class _Tunnelling(aiohttp.TCPConnector):
    """Connects through the proxy itself, as aiohttp's own proxy support hands the proxy the name to
    resolve, and a plain http request as a whole. All layers above stay as without a proxy."""

    tunnels: Tunnels

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: list[Any], req: aiohttp.ClientRequest, **more: Any
    ) -> Any:
        """Connect to the first address that the proxy reaches. The others are taken out of
        `addr_infos`, as aiohttp would try them after a ClientConnectorError."""
        hosts, port = [info[4][0] for info in addr_infos], addr_infos[0][4][1]
        if not self.tunnels.are_for(hosts[0], port):
            return await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, **more
            )
        del addr_infos[1:]
        tls = {name: more[name] for name in ("ssl", "server_hostname")}
        try:
            wire = await self.tunnels.open(hosts, port)
            return await _connected(wire, *args, **tls)
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        except OSError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error


async def _connected(wire: socket.socket, *args: Any, **tls: Any) -> Any:
    """The socket as a transport with its protocol; with TLS if `tls` has a context for it."""
    try:
        return await asyncio.get_running_loop().create_connection(*args, sock=wire, **tls)
    except BaseException:
        wire.close()
        raise
