"""Detect the encoding of a text file, and read its text as UTF-8."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from domain.failures import BadInput

BLOCK_BYTES = 2**21

UTF8 = "utf-8"
_WINDOWS = "windows-1252"
# Longer byte order marks first: that of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_HEAD_BYTES = 1_024
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# Replaces invalid bytes in a file that is UTF-8 otherwise: a noncharacter, which no text holds.
BAD = "\ufdd0"
_ESCAPED = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_WAY_OUT = "pass `charset` with the file's real encoding"
_IF_NOT = f"if that is wrong, {_WAY_OUT}"
_UNSURE = (
    "Read as windows-1252 it would have words of four or more letters beyond ASCII, which is more"
    f" likely another alphabet: {_WAY_OUT}, or charset=windows-1252 if that is right"
)
_NO_CHANCE = 3  # so many valid multi-byte characters do not occur by chance
_USUAL = re.compile("[\u00a0-\u024f\u2000-\u20cf]")  # of western languages, and their punctuation
# Western words mix letters beyond ASCII with others; whole words of such letters are a sign that
# the file is in another script.
_FOREIGN = re.compile(r"[^\W\d_\x00-\x7f]{4,}")
# What the web calls Latin-1 or ASCII is windows-1252 (WHATWG Encoding Standard, section 4.2).
_ALIASES = {"iso8859-1": _WINDOWS, "ascii": _WINDOWS, "cp1252": _WINDOWS, "utf-16": "utf-16-le"}
_DECLARABLE = {
    *("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"),
    *("windows-1252", "koi8-r", "koi8-u", "mac-roman"),
    *("shift_jis", "cp932", "euc_jp", "gbk", "gb18030", "big5", "euc_kr", "cp949"),
    *(f"cp125{n}" for n in range(9)),
    *(f"iso8859-{n}" for n in range(2, 17)),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to read a file: the codec, the byte order mark's length, and a warning for the user.

    `damaged`: some bytes are not valid in the encoding; they are read as BAD.
    """

    name: str
    mark: int = 0
    warning: str | None = None
    damaged: bool = False


def detect(stream: BinaryIO, declared: str) -> Encoding:
    """The one encoding in which the WHOLE file can be read; the stream must be seekable.

    The first of these decides: a byte order mark; zero bytes, as UTF-16 without a mark has them;
    UTF-8, if all bytes are valid (but see _utf8) or valid multi-byte characters outnumber invalid
    bytes, as no other encoding looks so by chance; the declared charset; windows-1252
    (ServiceNow's default for CSV). The whole file is decoded once for this, so that no record is
    ever yielded in an encoding that a later byte refutes (measured: 0.1 s per GiB of ASCII).
    Raises BadInput `encoding_invalid` with the offset of the first byte that is not valid, and
    except in files that begin as UTF-16 or UTF-32 or with a byte order mark, its line.
    """
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return _proven(stream, Encoding(name, len(mark)))
    for name in _WIDE:
        if _is_wide(head, name):
            return _proven(stream, Encoding(name, warning=f"the file was recognised as {name}"))
    wanted = _declared(declared)
    first = _first_invalid(stream, Encoding(UTF8))
    if first is None:
        return _utf8(stream, wanted)
    if _is_cut(stream, first):
        detail = "the file ends inside a character: it was cut; export it again"
        raise BadInput("encoding_invalid", detail, offset=first, line=_line(stream, first))
    if _is_mostly_utf8(stream):
        line = _line(stream, first)
        place = f"the first at offset {first} in line {line}"
        warning = f"the file is UTF-8 except for some bytes, {place}; their records are rejected"
        return Encoding(UTF8, warning=warning, damaged=True)
    if wanted and wanted != UTF8 and _first_invalid(stream, Encoding(wanted)) is None:
        return Encoding(wanted)
    return _assumed(stream, first, wanted)


def check_charset(name: str) -> str:
    """Return the name if it is a supported charset. Raises ValueError if not."""
    if _declared(name) is None:
        known = ", ".join(sorted(_DECLARABLE))
        raise ValueError(f"{name!r} is not a supported charset; these are: {known}")
    return name


def utf8_blocks(stream: BinaryIO, encoding: Encoding) -> Iterator[bytes]:
    """The file's text as UTF-8, without byte order mark, from blocks of BLOCK_BYTES of the file."""
    stream.seek(encoding.mark)
    if encoding.name == UTF8 and not encoding.damaged:
        yield from iter(lambda: stream.read(BLOCK_BYTES), b"")
        return
    errors = "surrogateescape" if encoding.damaged else "strict"
    decoder = codecs.getincrementaldecoder(encoding.name)(errors)
    while block := stream.read(BLOCK_BYTES):
        yield _ESCAPED.sub(BAD, decoder.decode(block)).encode()
    yield _ESCAPED.sub(BAD, decoder.decode(b"", final=True)).encode()


def _is_cut(stream: BinaryIO, first: int) -> bool:
    """Whether the file ends inside a UTF-8 character that begins at offset `first`, and holds whole
    multi-byte characters before it."""
    stream.seek(first)
    rest = stream.read(4)
    try:
        rest.decode(UTF8)
    except UnicodeDecodeError as error:
        is_cut = len(rest) < 4 and error.reason == "unexpected end of data"
        return is_cut and _has_wide(stream, first)
    return False


def _is_wide(head: bytes, name: str) -> bool:
    """Whether the file begins like mostly ASCII text in this encoding (UTF-16 or UTF-32)."""
    width = 2 if "16" in name else 4
    usable = len(head) - len(head) % width
    if usable < 2 * width:
        return False
    place = 0 if name.endswith("le") else width - 1
    units = [head[at : at + width] for at in range(0, usable, width)]
    narrow = sum(u[place] != 0 and u.count(0) == width - 1 for u in units)
    return narrow > 0.7 * len(units)


def _utf8(stream: BinaryIO, declared: str | None) -> Encoding:
    """The encoding of a file that is valid UTF-8. It is the declared one if the file has so few
    multi-byte characters that they may be valid by chance (`ß` and a quotation mark of
    windows-1252 are one character of an African script in UTF-8)."""
    if not declared or declared == UTF8 or not (found := _first_wide(stream)):
        return Encoding(UTF8)
    by_chance = len(found) < _NO_CHANCE and not all(map(_USUAL.match, found))
    if by_chance and _first_invalid(stream, Encoding(declared)) is None:
        return Encoding(declared)
    return Encoding(UTF8, warning=f"the file is UTF-8, though {declared} was declared")


def _first_wide(stream: BinaryIO) -> list[str]:
    """The first characters that are not ASCII, up to _NO_CHANCE of them."""
    found: list[str] = []
    for block in _until(stream, -1):
        if not block.isascii():
            found += _NOT_ASCII.findall(block.decode(UTF8, errors="ignore"))
        if len(found) >= _NO_CHANCE:
            break
    return found[:_NO_CHANCE]


def _is_mostly_utf8(stream: BinaryIO) -> bool:
    whole = bad = 0
    decoder = codecs.getincrementaldecoder(UTF8)("surrogateescape")
    for block in _until(stream, -1):
        text = decoder.decode(block)
        escaped = len(_ESCAPED.findall(text))
        whole, bad = whole + len(_NOT_ASCII.findall(text)) - escaped, bad + escaped
    return whole > bad


def _has_wide(stream: BinaryIO, end: int) -> bool:
    """Whether any byte before the end is not ASCII."""
    return any(not block.isascii() for block in _until(stream, end))


def _until(stream: BinaryIO, end: int) -> Iterator[bytes]:
    """The blocks before offset `end`; -1 means the end of the file."""
    stream.seek(0)
    while block := stream.read(BLOCK_BYTES if end < 0 else min(BLOCK_BYTES, end)):
        yield block
        end = end if end < 0 else end - len(block)


def _line(stream: BinaryIO, offset: int) -> int:
    """The line, from 1, of the byte at this offset."""
    return 1 + sum(block.count(b"\n") for block in _until(stream, offset))


def _assumed(stream: BinaryIO, first: int, declared: str | None) -> Encoding:
    """Windows-1252 with a warning, if the file is valid and plausible in it. Raises BadInput."""
    line = _line(stream, first)
    not_utf8 = f"the file is not UTF-8 (the byte at offset {first}, line {line})"
    if declared and declared != UTF8:
        not_utf8 += f", and not {declared}, which was declared"
    invalid = _first_invalid(stream, Encoding(_WINDOWS)) is not None
    if invalid or _is_foreign(stream):
        detail = f"{not_utf8}; {_WAY_OUT}" if invalid else f"{not_utf8}. {_UNSURE}"
        raise BadInput("encoding_invalid", detail, offset=first, line=line)
    return Encoding(_WINDOWS, warning=f"{not_utf8}; it was read as {_WINDOWS}: {_IF_NOT}")


def _is_foreign(stream: BinaryIO) -> bool:
    """Whether the file, read as windows-1252, has words that suggest another alphabet."""
    return any(_FOREIGN.search(block.decode(_WINDOWS)) for block in _until(stream, -1))


def _declared(charset: str) -> str | None:
    """Our name of a declared charset; None if it is not supported."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return None
    name = _ALIASES.get(name, name)
    return name if name in _DECLARABLE else None


def _proven(stream: BinaryIO, encoding: Encoding) -> Encoding:
    offset = _first_invalid(stream, encoding)
    if offset is None:
        return encoding
    detail = f"the file begins as {encoding.name}, but its byte at offset {offset} is not valid"
    raise BadInput("encoding_invalid", detail, offset=offset)


def _first_invalid(stream: BinaryIO, encoding: Encoding) -> int | None:
    """The offset of the first byte that the codec refuses; None if it reads the whole file."""
    decoder = codecs.getincrementaldecoder(encoding.name)()
    offset = stream.seek(encoding.mark)
    block = b"\n"
    is_ascii = encoding.name == UTF8  # so far; testing that is ten times faster than decoding
    while block:
        block = stream.read(BLOCK_BYTES)
        if is_ascii and block.isascii():
            offset += len(block)
            continue
        is_ascii = False
        held_back = len(decoder.getstate()[0])
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return offset - held_back + error.start
        offset += len(block)
    return None
