"""Write what is sent as bytes, and make text fit into a vendor's limits."""

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from domain.values import link as links

# Characters that would break a line or are no text; _UNSEEN: also those that turn the direction of
# the text around them.
_BREAKING = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_ENDING = re.compile(r"\r\n?|[\u2028\u2029]")

_LINK = re.compile(
    r"https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#].*)?"
)


def compact(value: Any) -> bytes:
    """The value as JSON without spaces, in UTF-8."""
    return to_json(value)


def json_bytes(value: Any) -> int:
    """The length of the value as `compact` writes it, in bytes."""
    return len(compact(value))


def json_units(value: Any) -> int:
    """The length of the value as `compact` writes it, in units of UTF-16, as JavaScript and .NET
    count."""
    return len(to_json(value).decode().encode("utf-16-le")) // 2


def cut(text: str, size: int, measure: Callable[[str], int] = len) -> str:
    """The text; if it measures more than `size`, a beginning of it that with `…` measures at most
    `size`: the longest one, or one that ends before a link that does not fit whole.

    Empty if not even the ellipsis fits.
    """
    if measure(text) <= size:
        return text
    # Found by halving, as a longer beginning measures more, unless it loses a link. Whatever
    # halving ends at was measured, so it fits in any case.
    fitting = bisect_right(range(len(text)), size, key=lambda end: measure(_begun(text, end)))
    return _begun(text, fitting - 1) if fitting else ""


def _begun(text: str, end: int) -> str:
    """The first `end` characters of the text, and `…`. A link that would be cut is left out, as
    half of it leads elsewhere."""
    begun = text[:end]
    if not text[end].isspace():
        start = max(begun.rfind(space) for space in " \n\t") + 1
        if start and "://" in begun[start:]:
            begun = begun[:start]
    return begun.rstrip() + "…"


def one_line(text: str) -> str:
    """Untrusted text for one line: nothing in it can end the line, or turn the text around it."""
    return _UNSEEN.sub("", _BREAKING.sub(" ", text)).strip()


def lines(text: str) -> str:
    """Untrusted text with its lines, which end with `\\n`, and without invisible characters."""
    return _UNSEEN.sub("", _ENDING.sub("\n", text))


def link(url: str | None, chars: int) -> str | None:
    """The URL, if even the strictest vendors take it as a link (not with `_` in its host), and it
    has at most `chars` characters; else None.

    Vendors refuse a whole message for a bad link, and a URL that was cut would lead elsewhere: show
    a URL that is left out here as text.
    """
    made = links.link(url)
    return made if made and _LINK.fullmatch(made) and len(made) <= chars else None
