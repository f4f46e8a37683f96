"""Turns the URL of an event into one that browsers and vendors take. Pure.

People and programs write links with blanks, letters beyond ASCII, `HTTPS://`. Written by the rules
of RFC 3986 and UTS 46 (names in other scripts), they lead to the same place.
"""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import idna

_MARKS = ":/?#[]@!$&'()*+,;=%~"  # the reserved characters of RFC 3986, and the % of an encoding
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")  # browsers drop them, or read `\` as `/`
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+")


def link(url: Any) -> str | None:
    """The URL in ASCII; None if it is not an http(s) URL, or names a user before its host: such a
    URL (`https://bank.example@evil.example`) deceives its reader."""
    return _link(url.strip()) if isinstance(url, str) else None


@lru_cache(1_024)  # every channel that an event goes to needs the same link
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
    authority = host if port is None else f"{host}:{port}"
    ends = ((parts.path, ""), (parts.query, "?"), (parts.fragment, "#"))
    rest = "".join(mark + encoded(part) for part, mark in ends if part)
    return f"{parts.scheme}://{authority}{rest}"


def encoded(text: str) -> str:
    """The text percent-encoded; parts that are encoded already stay unchanged."""
    return quote(_LONE_PERCENT.sub("%25", text), safe=_MARKS)


def _host(name: str) -> str:
    """The host in ASCII; empty where there is none. Raises ValueError where it cannot be one."""
    if ":" in name:
        return f"[{name}]" if _ADDRESS.fullmatch(name) else ""
    labels = re.split("[.。．｡]", name)
    dot = "." if len(labels) > 1 and not labels[-1] else ""  # the root's, at the end
    return ".".join(map(_label, labels[:-1] if dot else labels)) + dot


def _label(label: str) -> str:
    if label.isascii():  # IDNA refuses `_`, which internal hosts have
        if not _LABEL.fullmatch(label):
            raise ValueError("not a label of a host")
        return label.lower()
    return idna.encode(label, uts46=True).decode()
