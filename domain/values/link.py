"""A URL of an event, made one that browsers and vendors take. Pure.

People and programs write links with blanks, letters beyond ASCII, `HTTPS://`. Written as RFC 3986
and UTS 46 (names in other scripts) say, they lead to the same place. What is no link stays text.
"""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import idna

_MARKS = ":/?#[]@!$&'()*+,;=%~"  # RFC 3986, reserved; and what is encoded already
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")  # browsers drop them, or read `\` as `/`
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+")


def link(url: Any) -> str | None:
    """The URL in ASCII; None if it is none of http(s), or names a user before its host: such a one
    (`https://bank.example@evil.example`) deceives who reads it."""
    return _link(url.strip()) if isinstance(url, str) else None


@lru_cache(1_024)  # every channel that an event goes to asks for the same one
def _link(url: str) -> str | None:
    if _CONTROL.search(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = _host(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not host or port == 0:
        return None
    place = host if port is None else f"{host}:{port}"
    ends = ((parts.path, ""), (parts.query, "?"), (parts.fragment, "#"))
    rest = "".join(mark + encoded(part) for part, mark in ends if part)
    return f"{parts.scheme}://{place}{rest}"


def encoded(text: str) -> str:
    """In ASCII, whatever is encoded already left as it is."""
    return quote(_LONE_PERCENT.sub("%25", text), safe=_MARKS)


def _host(name: str) -> str:
    """The host in ASCII; empty where there is none. Raises ValueError where it cannot be one."""
    if ":" in name:
        return f"[{name}]" if _ADDRESS.fullmatch(name) else ""
    labels = re.split("[.。．｡]", name)
    dot = "." if len(labels) > 1 and not labels[-1] else ""  # one at the end is the root's
    return ".".join(map(_label, labels[:-1] if dot else labels)) + dot


def _label(label: str) -> str:
    if label.isascii():  # IDNA refuses `_`, which hosts inside have
        if not _LABEL.fullmatch(label):
            raise ValueError("no label of a host")
        return label.lower()
    return idna.encode(label, uts46=True).decode()
