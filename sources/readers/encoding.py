"""Which encoding a text file has, and its text as UTF-8 whatever that is."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from domain.failures import BadInput

BLOCK_BYTES = 2**21

UTF8 = "utf-8"
_WINDOWS = "windows-1252"
# The longer marks first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_HEAD_BYTES = 1_024
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# Stands for bytes that are not UTF-8 in a file that else is: a character that no text may hold.
BAD = "\ufdd0"
_ESCAPED = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_WAY_OUT = "pass `charset` with the file's real one"
_IF_NOT = f"if it is another, {_WAY_OUT}"
_UNSURE = (
    "Read as windows-1252 it would have words of four or more letters beyond ASCII, which is more"
    f" likely another alphabet: {_WAY_OUT}, or charset=windows-1252 if it is that"
)
_NO_CHANCE = 3  # valid characters of several bytes
_USUAL = re.compile("[\u00a0-\u024f\u2000-\u20cf]")  # of western languages, and their punctuation
# Windows-1252 has letters beyond ASCII amid others; whole words of them are another script.
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
    """How to read a file: the codec, the byte order mark's length, and what is to be said of it.

    `damaged`: some bytes are not valid in it; they are read as BAD.
    """

    name: str
    mark: int = 0
    warning: str | None = None
    damaged: bool = False


def detect(stream: BinaryIO, declared: str) -> Encoding:
    """The one encoding in which the WHOLE file can be read; the stream must be seekable.

    A byte order mark decides, then zeros, as UTF-16 without a mark has them. UTF-8 decides where
    every byte agrees, or more characters of several bytes do than bytes do not: no other encoding
    looks like it by chance. Else it is the declared charset, and last windows-1252 (ServiceNow's
    default for CSV). The file is decoded once for this, so that no record is ever yielded in an
    encoding that a later byte refutes (measured: 0.1 s per GiB of ASCII). Raises BadInput
    `encoding_invalid` with the offset and line of the first byte that refutes it.
    """
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return _proven(stream, Encoding(name, len(mark)))
    for name in _WIDE:
        if _is_wide(head, name):
            return _proven(stream, Encoding(name, warning=f"the file was recognised as {name}"))
    names = [*_declared(declared)]
    first = _first_invalid(stream, Encoding(UTF8))
    if first is None:
        return _utf8(stream, names)
    if _is_cut(stream, first):
        detail = "the file ends inside a character: it was cut; export it again"
        raise BadInput("encoding_invalid", detail, offset=first, line=_line(stream, first))
    if _is_mostly_utf8(stream):
        line = _line(stream, first)
        warning = f"the file is UTF-8, but for some bytes, first at offset {first} in line {line}"
        return Encoding(UTF8, warning=f"{warning}; their records are rejected", damaged=True)
    for name in names:
        if name != UTF8 and _first_invalid(stream, Encoding(name)) is None:
            return Encoding(name)
    return _assumed(stream, first, names)


def check_charset(name: str) -> str:
    """The name, if text of that charset can be read. Raises ValueError."""
    if not [*_declared(name)]:
        known = ", ".join(sorted(_DECLARABLE))
        raise ValueError(f"{name!r} is no charset that is read here; these are: {known}")
    return name


def utf8_blocks(stream: BinaryIO, encoding: Encoding) -> Iterator[bytes]:
    """The file's text without byte order mark, as blocks of UTF-8 of some MiB."""
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
    """Whether the first byte that is not UTF-8 begins a character that the file's end cuts off,
    after others that were whole."""
    stream.seek(first)
    rest = stream.read(4)
    try:
        whole = len(rest) == 4 or rest.decode(UTF8) is not None
    except UnicodeDecodeError as error:
        whole = error.reason != "unexpected end of data"
    return not whole and _has_wide(stream, first)


def _is_wide(head: bytes, name: str) -> bool:
    """Whether text of that many bytes a character begins so, most of it ASCII."""
    width = 2 if "16" in name else 4
    usable = len(head) - len(head) % width
    if usable < 2 * width:
        return False
    place = 0 if name.endswith("le") else width - 1
    units = [head[at : at + width] for at in range(0, usable, width)]
    narrow = sum(u[place] != 0 and u.count(0) == width - 1 for u in units)
    return narrow > 0.7 * len(units)


def _utf8(stream: BinaryIO, declared: list[str]) -> Encoding:
    """A file that is valid UTF-8, and may all the same be what was declared: so few characters make
    it valid that they may be so by chance (`ß` and a quotation mark are one of an African script).
    """
    found = [] if UTF8 in declared else _first_wide(stream)
    if not declared or not found:
        return Encoding(UTF8)
    by_chance = len(found) < _NO_CHANCE and not all(map(_USUAL.match, found))
    if by_chance and _first_invalid(stream, Encoding(declared[0])) is None:
        return Encoding(declared[0])
    return Encoding(UTF8, warning=f"the file is UTF-8, though {declared[0]} was declared")


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
    """The blocks before the end; -1 for that of the file."""
    stream.seek(0)
    while block := stream.read(BLOCK_BYTES if end < 0 else min(BLOCK_BYTES, end)):
        yield block
        end = end if end < 0 else end - len(block)


def _line(stream: BinaryIO, offset: int) -> int:
    """The line, from 1, of the byte at this offset."""
    return 1 + sum(block.count(b"\n") for block in _until(stream, offset))


def _assumed(stream: BinaryIO, first: int, declared: list[str]) -> Encoding:
    """Windows-1252, if the file can be that."""
    line = _line(stream, first)
    not_utf8 = f"the file is not UTF-8 (the byte at offset {first}, line {line})"
    if any(name != UTF8 for name in declared):
        not_utf8 += f", and not {declared[0]}, which was declared"
    invalid = _first_invalid(stream, Encoding(_WINDOWS)) is not None
    if invalid or _is_foreign(stream):
        detail = f"{not_utf8}; {_WAY_OUT}" if invalid else f"{not_utf8}. {_UNSURE}"
        raise BadInput("encoding_invalid", detail, offset=first, line=line)
    return Encoding(_WINDOWS, warning=f"{not_utf8}; it was read as {_WINDOWS}: {_IF_NOT}")


def _is_foreign(stream: BinaryIO) -> bool:
    """Whether windows-1252 makes words of what is another alphabet."""
    return any(_FOREIGN.search(block.decode(_WINDOWS)) for block in _until(stream, -1))


def _declared(charset: str) -> Iterator[str]:
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return
    name = _ALIASES.get(name, name)
    if name in _DECLARABLE:
        yield name


def _proven(stream: BinaryIO, encoding: Encoding) -> Encoding:
    offset = _first_invalid(stream, encoding)
    if offset is None:
        return encoding
    detail = f"the byte at offset {offset} is not valid in {encoding.name}, as which it begins"
    raise BadInput("encoding_invalid", detail, offset=offset)


def _first_invalid(stream: BinaryIO, encoding: Encoding) -> int | None:
    """The offset of the first byte that the codec refuses."""
    decoder = codecs.getincrementaldecoder(encoding.name)()
    offset = stream.seek(encoding.mark)
    block = b"\n"
    is_ascii = encoding.name == UTF8  # as most are, which is told ten times faster
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
