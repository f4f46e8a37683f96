"""What is sent, as bytes, and text made to fit into a vendor's limits."""

import json
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def compact(value: Any) -> bytes:
    """JSON without spaces, in UTF-8."""
    return _encode(value).encode()


def json_bytes(value: Any) -> int:
    """How long it is as `compact` writes it."""
    return len(compact(value))


def cut(text: str, size: int, measure: Callable[[str], int] = len) -> str:
    """The text, or its longest beginning that with `…` still measures `size` at most.

    Empty where not even the ellipsis fits.
    """
    if measure(text) <= size:
        return text
    # A longer beginning never measures less, so the longest that fits is found by halving.
    fitting = bisect_right(range(len(text)), size, key=lambda end: measure(_begun(text, end)))
    return _begun(text, fitting - 1) if fitting else ""


def _begun(text: str, end: int) -> str:
    return text[:end].rstrip() + "…"
