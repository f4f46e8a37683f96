"""Which addresses are public, and which ones the operator may list (policy.py)."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _v4(*blocks: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(block) for block in blocks)


def _v6(*blocks: str) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network(block) for block in blocks)


# Addresses that are never called, not even if the operator lists them. Link-local holds the
# metadata services of AWS, GCP, Azure, Oracle and Scaleway; the single addresses are those of
# Alibaba, Azure and Oracle.
_V4_NEVER = _v4(
    "0.0.0.0/8",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
# IANA's special-purpose registry for IPv4, the globally reachable anycast blocks included.
_V4_SPECIAL = _v4(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
)
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_V6_GLOBAL = IPv6Network("2000::/3")  # all that IANA has given out for unicast
_V6_HIDING = _v6("2001::/32", "2002::/16")  # Teredo and 6to4 carry an IPv4 address
_V6_SPECIAL = _v6("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
_V6_LISTABLE = (*_v6("::1/128", "fc00::/7"), _V6_GLOBAL)
_V6_METADATA = _v6("fd00:ec2::/32", "fd20:ce::/32")  # AWS's and GCP's
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214: these 32 bits, then an IPv4 address


def address(literal: str) -> Address:
    """The address that a literal leads to; an IPv4-mapped one becomes IPv4. Raises ValueError."""
    found = ip_address(literal)
    if isinstance(found, IPv6Address):
        if found.scope_id is not None:
            raise ValueError("a zone id leads to this machine's own links")
        return found.ipv4_mapped or found
    return found


def is_public(found: Address) -> bool:
    """Whether a server on the public internet can have the address."""
    if isinstance(found, IPv4Address):
        return not _inside(found, _V4_NEVER + _V4_SPECIAL)
    return (
        found in _V6_GLOBAL
        and not _inside(found, _V6_SPECIAL + _V6_HIDING)
        and not _is_isatap(found)
    )


def is_listable(found: Address) -> bool:
    """Whether EGRESS_ALLOW can hold the address. It cannot if the address is one of a metadata
    service, or carries another address within it."""
    if isinstance(found, IPv4Address):
        return not _inside(found, _V4_NEVER)
    return (
        _inside(found, _V6_LISTABLE)
        and not _inside(found, _V6_METADATA + _V6_HIDING)
        and not _is_isatap(found)
    )


def _is_isatap(found: IPv6Address) -> bool:
    return int(found) >> 32 & 0xFFFFFFFF in _ISATAP


def _inside(found: Address, blocks: Iterable[Network]) -> bool:
    return any(found in block for block in blocks)


def around(literal: str) -> tuple[Network, ...]:
    """The networks where a server that listens at this address is reached. Raises ValueError.

    Of a server that listens at all addresses of the machine, only loopback is known: the machine's
    other addresses are not looked for.
    """
    found = address(literal)
    if found.is_loopback or found.is_unspecified:
        return _LOOPBACK
    return (ip_network(found),)
