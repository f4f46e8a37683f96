"""The headers of a request: which ones a caller may set, and which ones are added."""

import re
from collections.abc import Mapping
from functools import lru_cache

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass

_DEFAULTS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "FireLater-Integrations"}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
# Headers that the connection itself sets, and those that would have an answer compressed.
_FRAMING = re.compile(
    r"accept-encoding|connection|content-length|expect|host|keep-alive|proxy-.*|te|trailer"
    r"|transfer-encoding|upgrade"
)


def is_header(name: str) -> bool:
    """Whether a header may have this name (RFC 9110 §5.6.2)."""
    return _HEADER.fullmatch(name) is not None


def frames(header: str) -> bool:
    """Whether the connection itself sets this header, or it would have an answer compressed: no
    caller may set it."""
    return _FRAMING.fullmatch(header.lower()) is not None


@lru_cache(1_024)
def _may_be_set(header: str) -> bool:
    """Whether a caller may set this header."""
    return is_header(header) and not frames(header)


def with_defaults(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers and those defaults that they do not replace, in whatever case they are named."""
    named = {name.lower() for name in headers}
    return {name: value for name, value in _DEFAULTS.items() if name not in named} | {**headers}


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises DeliveryFailed for headers that would change the frame of the request, or smuggle in
    another header."""
    for name, value in headers.items():
        if not _may_be_set(name):
            why = f"the header {name!r} cannot be set"
        elif not (value.isascii() and value.isprintable()):
            why = f"the header {name} has line breaks or other characters that it cannot have"
        else:
            continue
        raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, why))
