"""The one door out: every call to somebody else's server goes through the guard."""

from collections.abc import Mapping
from dataclasses import dataclass

BODY_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; header names are lower case, the body is cut at BODY_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Egress:
    """To be built (see the plan); channels use these two."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """One request, no redirects. Raises DeliveryFailed where no whole answer came."""
        raise NotImplementedError
