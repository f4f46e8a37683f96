"""Where a tenant's URL may lead: one strict reading, the same when it is saved and when it is used.

Stricter than any client: whatever two parsers might read in two ways is refused. Names are judged
here as they are written. Addresses are judged by `permit`, which http.py and tunnel.py ask
when they dial.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urlsplit

import httpx
import idna

from egress.address import address, is_listable, is_public
from egress.policy import DEFAULT_PORTS, SMTP_PORTS, Policy

URL_CHARS = 2_048

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # what inet_aton might read as an address
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_ASCII = "".join(map(chr, range(33, 127)))

# Names that mean something on a local network only: RFC 6761, 6762, 8375, ICANN's reserved ones,
# and those of Kubernetes, routers and resolvers.
_LOCAL = re.compile(
    r"[^.]+|.*\.(corp|home|home\.arpa|internal|intranet|invalid|lan|local|localdomain|localhost"
    r"|private|svc)"
)
# Names that are never called, whatever EGRESS_ALLOW says: those of this machine, which an operator
# may list by address only, and those of metadata services, whose addresses cannot be listed.
_METADATA = re.compile(r"metadata(\.google\.internal)?|instance-data(\.ec2\.internal)?")
_LOOPBACK = re.compile(r"(.*\.)?localhost|ip6-(localhost|loopback)")
_NEVER = re.compile(rf"{_LOOPBACK.pattern}|(.*\.)?localdomain|{_METADATA.pattern}")


class Refused(Exception):
    """The guard's refusal. `detail` names the host at most, as paths and queries can be secrets."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def parse_target(url: str, policy: Policy) -> str:
    """The canonical form of a URL that may be called. Raises Refused."""
    scheme, authority, path = _split(url)
    bare, port_text = _split_authority(authority)
    host = parse_host(bare)
    port = _parse_port(port_text, scheme)
    _judge(scheme, host, port, policy)
    explicit = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    bracketed = f"[{host}]" if ":" in host else host
    canonical = f"{scheme}://{bracketed}{explicit}{path}"
    _check_agreement(canonical, bracketed, port)
    return canonical


def check_server(host: str, port: int, policy: Policy) -> None:
    """Raises Refused if this mail server must not be called, as far as its name and port show: the
    addresses of a name are judged when they are dialled."""
    name = parse_host(host)
    _judge_name(name, port, policy)
    if is_literal(name):
        permit(name, port, policy, SMTP_PORTS)
    elif port not in SMTP_PORTS | policy.private_ports:
        raise Refused("port_not_allowed", _with_remedy(f"port {port} is not allowed"))


def permit(literal: str, port: int, policy: Policy, ports: frozenset[int] | None = None) -> bool:
    """Raises Refused if the address must not be dialled. Returns whether it is a private one that
    EGRESS_ALLOW lists.

    `ports` are allowed at public addresses, instead of the policy's.
    """
    try:
        found = address(literal)
    except ValueError:
        raise Refused("blocked_address", f"{literal} is not an address to call") from None
    if policy.lists(found, port):
        return True
    if not is_public(found):
        why = f"{literal} is not a public address"
        raise Refused("blocked_address", _with_remedy(why) if is_listable(found) else why)
    if port not in (policy.ports if ports is None else ports):
        raise Refused("port_not_allowed", _with_remedy(f"port {port} is not allowed"))
    return False


def parse_host(bare: str) -> str:
    """The canonical form of a host: ASCII name or address (IPv6 without brackets). Raises
    Refused."""
    if ":" in bare or "%" in bare:
        return _parse_v6(bare)
    host = _to_ascii(bare)
    name = host.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _parse_v4(host)
    if len(name) > 253 or not all(map(_is_label, labels)):
        raise Refused("url_malformed", "the host is not a domain name")
    if _NEVER.fullmatch(name):
        raise Refused("local_name", _why_never(name))
    return name


def _why_never(name: str) -> str:
    if _METADATA.fullmatch(name):
        return f"{name} is a name of a metadata service, which is never called"
    such = ", such as 127.0.0.1" if _LOOPBACK.fullmatch(name) else ""
    return _with_remedy(
        f"{name} cannot be called by name, since such names mean this machine or its own network;"
        f" give the host's address instead{such}"
    )


def _with_remedy(refusal: str) -> str:
    """The refusal with the way out that only the operator of this service can take."""
    return f"{refusal}; the operator of this service may list address and port in EGRESS_ALLOW"


def is_local(host: str) -> bool:
    """Whether a canonical host is a name that means something on a local network only."""
    return _LOCAL.fullmatch(host) is not None and not is_literal(host)


def is_literal(host: str) -> bool:
    """Whether a canonical host is an address."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, authority, and path with query; the fragment is dropped."""
    if not 0 < len(url) <= URL_CHARS or not url.isprintable() or " " in url or "\\" in url:
        raise Refused("url_malformed", f"a URL has 1 to {URL_CHARS} characters, all visible")
    match = _SCHEME.fullmatch(url)
    if match is None and re.match(r"[^/?#]*:", url):
        raise Refused("url_malformed", "the scheme is malformed")
    scheme, rest = (match[1].lower(), match[2]) if match else ("", url)
    if scheme not in DEFAULT_PORTS:
        raise Refused("scheme_not_allowed", "only https is allowed")
    if not rest.startswith("//"):
        raise Refused("url_malformed", "// is missing after the scheme")
    before_fragment = rest[2:].partition("#")[0]
    authority = re.split(r"[/?]", before_fragment, maxsplit=1)[0]
    path = quote(before_fragment[len(authority) :], safe=_ASCII)
    return scheme, authority, path if path.startswith("/") else f"/{path}"


def _split_authority(authority: str) -> tuple[str, str | None]:
    """Host without brackets, and the text of the port, if there is one."""
    if "@" in authority or "%40" in authority:
        raise Refused("userinfo_not_allowed", "a URL with user or password is not allowed")
    if match := _BRACKETED.fullmatch(authority):
        if ":" not in match[1]:
            raise Refused("url_malformed", "brackets are for IPv6 addresses")
        return match[1], match[2]
    host, colon, port = authority.partition(":")
    if not host or re.search(r"[\[\]%]", host) or ":" in port:
        raise Refused("url_malformed", "the host is malformed")
    return host, port if colon else None


def _to_ascii(host: str) -> str:
    """IDNA 2008, without its mappings (full-width, circled) and without digits of other scripts."""
    if host.isascii():
        return host.lower()
    if any(char.isnumeric() and not char.isascii() for char in host):
        raise Refused("unicode_host", "the host has digits that are not ASCII")
    lower = host.lower()
    if len(lower) != len(host) or any(
        low.isascii() and not char.isascii() for low, char in zip(lower, host, strict=True)
    ):
        # As the Kelvin sign does.
        raise Refused("unicode_host", "the host has letters that turn into ASCII")
    try:
        return idna.encode(lower, strict=True).decode()
    except idna.IDNAError:
        raise Refused("unicode_host", "the host is not a name of IDNA 2008") from None


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    try:
        return not label.startswith("xn--") or idna.alabel(label) == label.encode()
    except idna.IDNAError:
        return False


def _parse_v4(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except ValueError:
        raise Refused("numeric_host", "the host is a number, not a whole address") from None


def _parse_v6(bare: str) -> str:
    if "%" in bare:
        raise Refused("zone_id_not_allowed", "an address with a zone is not allowed")
    try:
        return str(IPv6Address(bare))
    except ValueError:
        raise Refused("url_malformed", "the host is not an IPv6 address") from None


def _parse_port(text: str | None, scheme: str) -> int:
    if text is None:
        return DEFAULT_PORTS[scheme]
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise Refused("port_not_allowed", "the port is not a number from 1 to 65535")
    return int(text)


def _judge_name(host: str, port: int, policy: Policy) -> None:
    """Raises Refused for this service's own servers, and for local names at ports that EGRESS_ALLOW
    does not list. Other local names are judged again by their addresses."""
    if (host, port) in policy.own_names:
        raise Refused("blocked_address", f"{host} is a server of this service")
    if is_local(host) and port not in policy.private_ports:
        detail = f"{host} is a name of local networks, and EGRESS_ALLOW lists no port {port}"
        raise Refused("local_name", detail)


def _judge(scheme: str, host: str, port: int, policy: Policy) -> None:
    """Raises Refused for a host, a port or a scheme that may not be called; for http unless it goes
    to a private server of EGRESS_ALLOW, or to a name at a port where only such servers are."""
    _judge_name(host, port, policy)
    if port not in policy.ports | policy.private_ports | {DEFAULT_PORTS[scheme]}:
        raise Refused("port_not_allowed", _with_remedy(f"port {port} is not allowed"))
    open_ports = policy.ports | {DEFAULT_PORTS[scheme]}
    listed = permit(host, port, policy, open_ports) if is_literal(host) else False
    plain_ports = policy.private_ports if is_local(host) else policy.plain_ports
    if scheme == "http" and not listed and (is_literal(host) or port not in plain_ports):
        raise Refused("scheme_not_allowed", "only https is allowed")


def _check_agreement(canonical: str, host: str, port: int) -> None:
    """Raises Refused unless two parsers by others, urllib's and httpx's, agree with this reading of
    host and port."""
    ours, theirs = urlsplit(canonical), httpx.URL(canonical)
    default = DEFAULT_PORTS[ours.scheme]
    readings = {
        (
            f"[{ours.hostname}]" if ":" in str(ours.hostname) else ours.hostname,
            ours.port or default,
        ),
        (theirs.netloc.decode().removesuffix(f":{theirs.port}"), theirs.port or default),
    }
    if readings != {(host, port)}:
        raise Refused("url_malformed", "the URL can be read in two ways")
