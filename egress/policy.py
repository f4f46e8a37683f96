"""What the operator allows to be called: private networks and ports (EGRESS_ALLOW), and which ports
are open without it."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from egress.address import Address, Network, is_listable

DEFAULT_PORTS = {"https": 443, "http": 80}
SMTP_PORTS = frozenset({25, 465, 587, 2525})
_SHORTEST_PREFIX = {4: 8, 6: 7}  # 10.0.0.0/8, fc00::/7


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows: private networks, each at one port, and ports of public servers.

    `own` are the networks and ports of this service's own servers: no entry of EGRESS_ALLOW opens
    them. `own_names` are their names and ports, which are never called. An own server at a public
    address is not recognised by that address, as others may be served there, too.
    """

    private: tuple[tuple[Network, int], ...] = ()
    ports: frozenset[int] = frozenset({DEFAULT_PORTS["https"]})
    own: tuple[tuple[Network, int], ...] = ()
    own_names: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """From EGRESS_ALLOW: `10.0.0.0/8:443, [fd00::/8]:443, *:8443`, separated by commas.

        Raises a ValueError that names the bad entry.
        """
        private: list[tuple[Network, int]] = []
        ports = {DEFAULT_PORTS["https"]}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            where, _, port = entry.rpartition(":")
            if where == "*":
                ports.add(_port(entry, port))
            else:
                private.append((_network(entry, where), _port(entry, port)))
        return cls(tuple(private), frozenset(ports))

    @property
    def private_ports(self) -> frozenset[int]:
        return frozenset(port for _, port in self.private)

    @property
    def plain_ports(self) -> frozenset[int]:
        """Ports where http reaches only listed servers, as no public one is called at them."""
        return self.private_ports - self.ports

    def lists(self, found: Address, port: int) -> bool:
        """Whether it is a private destination that the operator allows."""
        return (
            is_listable(found)
            and _holds(self.private, found, port)
            and not _holds(self.own, found, port)
        )


def _port(entry: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(f"EGRESS_ALLOW: {entry!r} does not end with a port")
    return int(text)


def _network(entry: str, text: str) -> Network:
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        if not text:
            raise ValueError("write network:port, such as 10.1.2.0/24:8443")
        if "%" in text:
            raise ValueError("a zone id leads to this machine's own links")
        network = ip_network(text[1:-1] if bracketed else text)
    except ValueError as error:
        raise ValueError(f"EGRESS_ALLOW: {entry!r}: {error}") from None
    if bracketed != (network.version == 6):
        raise ValueError(f"EGRESS_ALLOW: {entry!r}: brackets are for IPv6, which needs them")
    if network.prefixlen < _SHORTEST_PREFIX[network.version]:
        raise ValueError(f"EGRESS_ALLOW: {entry!r} is too wide a network")
    return network


def _holds(destinations: Iterable[tuple[Network, int]], found: Address, port: int) -> bool:
    return any(port == listed and found in network for network, listed in destinations)
