"""How calls leave: directly or through the operator's proxy; and which certificates are trusted."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from egress.proxy import Proxy

UNCHECKED = (
    "EGRESS_PROXY_RESOLVES: the proxy resolves the names of tenants' URLs. This service does not"
    " check whether they lead to private addresses, to metadata services or to its own servers: the"
    " proxy must refuse those"
)


@dataclass(frozen=True, slots=True)
class Route:
    """`resolves`: public names go to the proxy as they are, unresolved and unchecked.

    `listed_direct`: the private servers of EGRESS_ALLOW are called without the proxy. `trust`
    holds the certificate authorities that are trusted.
    """

    proxy: Proxy | None = None
    resolves: bool = False
    listed_direct: bool = False
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @classmethod
    def parse(
        cls, proxy: str | None, resolves: bool, listed_direct: bool, ca_file: Path | None
    ) -> Self:
        """From the settings. Raises a ValueError that names the bad one."""
        if resolves and not proxy:
            raise ValueError("EGRESS_PROXY_RESOLVES needs EGRESS_PROXY")
        return cls(
            Proxy.parse(proxy) if proxy else None, resolves, listed_direct, _trusting(ca_file)
        )


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities and the operator's. Raises ValueError for a file with none."""
    context = ssl.create_default_context()
    if ca_file is None:
        return context
    # From Python 3.13 on the default asks more of certificates than OpenSSL does, such as key
    # identifiers, which authorities of companies often leave out.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError(f"EGRESS_CA_FILE: {ca_file} has no certificates in PEM") from None
    except OSError as error:
        raise ValueError(f"EGRESS_CA_FILE: {ca_file}: {error.strerror}") from None
    return context
