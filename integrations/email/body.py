"""A mail's parts on the wire (RFC 2045, 2046), the same bytes on every Python. Pure."""

import base64
import hashlib
import re

# A line of quoted-printable has 76 characters at most (RFC 2045 6.7). These leave room for a `=` at
# the end, and for `=46` in place of an F at the start.
_LINE = 72
_ODD = re.compile(rb"[^\t -<>-~]|[\t ]$")
_PIECE = re.compile(rb".{1,%d}(?<!=)(?<!=.)" % _LINE, re.DOTALL)  # never within an `=XX`


def alternatives(text: str, html: str, seed: str) -> bytes:
    """The header fields of a multipart/alternative, and its body; `seed` makes its boundary.

    A boundary that begins with `=_` is in no part: base64 has no `_`, and quoted-printable has none
    after a `=`.
    """
    boundary = f"=_{hashlib.sha256(seed.encode()).hexdigest()[:32]}"
    head = (
        f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'
    )
    parts = (
        f"--{boundary}\r\n".encode() + _part(each, kind)
        for kind, each in (("plain", text), ("html", html))
    )
    return f"{head}\r\n".encode() + b"".join(parts) + f"--{boundary}--\r\n".encode()


def _part(text: str, kind: str) -> bytes:
    """A part in the shorter of both encodings. Neither has long lines, letters beyond ASCII, lone
    dots or a `From ` at a line's start, which servers on the way might change."""
    readable, packed = quoted_printable(text), _base64(text)
    name, body = (
        ("quoted-printable", readable) if len(readable) <= len(packed) else ("base64", packed)
    )
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {name}\r\n"
    return f"{head}\r\n".encode() + body


def quoted_printable(text: str) -> bytes:
    """RFC 2045 6.7, and no line that begins with `From ` (mbox) or with a dot (SMTP)."""
    lines = (_ODD.sub(_escape, line) for line in text.encode().split(b"\n"))
    return b"".join(b"=\r\n".join(_pieces(line)) + b"\r\n" for line in lines)


def _pieces(line: bytes) -> list[bytes]:
    return [re.sub(rb"^(From |\.)", _first, piece) for piece in _PIECE.findall(line)] or [b""]


def _escape(found: re.Match[bytes]) -> bytes:
    return b"".join(b"=%02X" % byte for byte in found[0])


def _first(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0] + found[0][1:]


def _base64(text: str) -> bytes:
    packed = base64.b64encode(text.replace("\n", "\r\n").encode())
    return b"".join(packed[at : at + 76] + b"\r\n" for at in range(0, len(packed), 76))
