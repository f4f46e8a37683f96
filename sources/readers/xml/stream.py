"""XML read as a stream: one piece of the file is in memory, and no DTD, file or socket is used.

libxml2's own bounds are kept (`huge_tree` off: nesting 256, text 10 MB); lxml 6.1 or later.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NoReturn, cast

from lxml import etree

from domain.failures import BadInput
from sources.readers.chunk import Limits, Profile

READ_BYTES = 2**16

_OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "collect_ids": False,
    "remove_comments": True,
    "remove_pis": True,
}
_TYPES = etree.ErrorTypes
_CODES = {
    _TYPES.ERR_INVALID_ENCODING: "encoding_invalid",
    _TYPES.ERR_UNSUPPORTED_ENCODING: "encoding_invalid",
    _TYPES.ERR_UNKNOWN_ENCODING: "encoding_invalid",
    _TYPES.ERR_INVALID_CHAR: "xml_char_invalid",
    _TYPES.ERR_RESOURCE_LIMIT: "xml_text_too_large",
}
# Used in place of libxml2's messages, which help only those who have programmed with it.
_WORDS = {
    "encoding_invalid": "a byte is not valid in the encoding that the file declares",
    "xml_char_invalid": "a character stands here that XML forbids, mostly a control character from"
    " a copied text; take it out at the source, or export as JSON or CSV",
    "xml_text_too_large": "a value is longer than 10,000,000 characters, as attachments are; export"
    " without it, or as JSON",
    "xml_too_deep": "elements are nested more than 256 deep",
    "xml_truncated": "the file ends before its last element does; export it again",
    "xml_malformed": "the markup is broken here, as by a stray < or & or an element that is not"
    " closed; export it again, or as JSON or CSV",
}
# Bytes that can be read as "<?xml" are not UTF-16, whatever they declare.
_FALSE_WIDE = re.compile(
    rb"""(\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*["'](utf-?16|utf-?32|ucs-?[24])""", re.IGNORECASE
)
_HTML = "it looks like an HTML page, such as a login page saved in place of the export"


class _Prolog:
    """A parser target that learns the root's name and refuses a DTD before it is read."""

    root: str | None = None
    attributes = 0

    def doctype(self, name: str, _public: str | None, _system: str | None) -> NoReturn:
        hint = f"; {_HTML}" if name.lower() == "html" else ""
        raise BadInput("xml_dtd_forbidden", f"the file has a DOCTYPE{hint}")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.root is None:
            self.root, self.attributes = tag, len(attributes)

    def close(self) -> None:
        pass


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """The stream in pieces of READ_BYTES."""
    return iter(lambda: stream.read(READ_BYTES), b"")


def sliced(text: bytes) -> Iterator[bytes]:
    """A text in pieces of READ_BYTES."""
    return (text[at : at + READ_BYTES] for at in range(0, len(text), READ_BYTES))


def elements(
    pieces: Iterable[bytes],
    root_tag: str,
    whole: frozenset[str],
    profile: Profile,
    limits: Limits,
) -> Iterator[etree._Element]:
    """The children of the root as each is complete, or the root itself if `whole` names it.

    Raises BadInput with line and column where the file is not well-formed XML within the limits.
    """
    document = Document(root_tag)
    unfinished = 0  # bytes read since an element was last complete
    for piece in pieces:
        document.feed(piece)
        done = [] if local_name(root_tag) in whole else document.take_complete()
        unfinished = len(piece) if done else unfinished + len(piece)
        if unfinished > limits.record_bytes:
            raise document.too_large(limits)
        yield from done
    root = document.close()
    profile.encoding = document.encoding or profile.encoding
    yield from [root] if local_name(root_tag) in whole else root


def local_name(tag: str) -> str:
    """The name without its namespace."""
    return tag.rpartition("}")[2]


def too_many_attributes(name: str, count: int, limits: Limits, **place: Any) -> BadInput:
    """The refusal of a file for an element with more attributes than the limit."""
    detail = f"the element {name[:50]!r} has {count} attributes"
    limit = limits.xml_attributes
    return BadInput("xml_too_many_attributes", detail, limit=limit, actual=count, **place)


def read_prolog(pieces: Iterator[bytes], limits: Limits) -> tuple[str, list[bytes]]:
    """The tag of the root, and the pieces that had to be read to find it."""
    prolog = _Prolog()
    parser = etree.XMLParser(**_OPTIONS, target=cast(Any, prolog))
    head: list[bytes] = []
    failure: BadInput | None = None
    for piece in pieces:
        head.append(piece)
        if _FALSE_WIDE.match(head[0]):
            raise BadInput("encoding_invalid", "the file is not in the encoding it declares")
        failure = _fed(parser, piece)
        if prolog.root or failure or sum(map(len, head)) > limits.record_bytes:
            break
    if prolog.root is None:
        raise failure or _without_root(head)
    if local_name(prolog.root).lower() == "html":
        raise BadInput("no_records_found", f"the file holds no records; {_HTML}")
    if prolog.attributes > limits.xml_attributes:
        raise too_many_attributes(prolog.root, prolog.attributes, limits)
    return prolog.root, head


def _without_root(head: list[bytes]) -> BadInput:
    if not head:
        return BadInput("file_empty", "the file is empty")
    return BadInput("xml_truncated", "the file ends before its first element")


class Document:
    """An XML tree that is built piece by piece, and whose complete elements are taken out of it."""

    def __init__(self, root_tag: str) -> None:
        # Events cost a fifth of the speed, so only the root has one.
        self._parser = etree.XMLPullParser(events=("start",), tag=root_tag, **_OPTIONS)
        self._root: etree._Element | None = None
        self._closed = re.compile(rf"</([^<>]*:)?{re.escape(local_name(root_tag))}\s*>\s*\Z")
        self._tail = b""
        self.encoding = ""  # known when the document is closed

    def feed(self, text: bytes) -> None:
        # libxml2 (2.14) refuses a document of which it is given more than 10,000,000 bytes at once.
        for piece in sliced(text):
            if failure := _fed(self._parser, piece):
                raise failure
        started = [element for _, element in self._parser.read_events()]
        if self._root is None and started:
            self._root = cast(etree._Element, started[0])
        self._tail = (self._tail + text)[-1_000:]

    def take_complete(self) -> list[etree._Element]:
        """The children that have ended. The last one may still grow, so it stays."""
        if self._root is None:
            return []
        complete = [*self._root][:-1]
        del self._root[:-1]
        return complete

    def close(self) -> etree._Element:
        """The root, with what is left in it."""
        try:
            root: etree._Element = self._parser.close()
        except etree.XMLSyntaxError as error:
            # libxml2 reports some errors only at the end of the file that are not about its end.
            whole = self._closed.search(self._tail.replace(b"\0", b"").decode(errors="replace"))
            raise _refusal(self._parser, error, None if whole else "xml_truncated") from None
        self.encoding = (root.getroottree().docinfo.encoding or "").lower()
        return root

    def too_large(self, limits: Limits) -> BadInput:
        last = None if self._root is None or not len(self._root) else self._root[-1].sourceline
        detail = f"one record is longer than {limits.record_bytes} bytes"
        return BadInput("xml_record_too_large", detail, line=last, limit=limits.record_bytes)


def _fed(parser: etree.XMLParser, piece: bytes) -> BadInput | None:
    """Feed the parser; returns the refusal of the file, if something is wrong."""
    try:
        parser.feed(piece)
    except etree.XMLSyntaxError as error:
        return _refusal(parser, error)
    # After an undeclared entity libxml2 drops what follows and lxml says so only at the end.
    return _refusal(parser) if parser.feed_error_log.filter_from_fatals() else None


def _refusal(
    parser: etree.XMLParser, error: etree.XMLSyntaxError | None = None, code: str | None = None
) -> BadInput:
    first = next(iter(parser.feed_error_log.filter_from_fatals()), None)
    message = first.message if first else str(error)
    line, column = (first.line, first.column) if first else error.position if error else (0, 0)
    if message.startswith("Excessive depth"):
        code = "xml_too_deep"
    found = code or _CODES.get(first.type if first else 0, "xml_malformed")
    return BadInput(found, _WORDS[found], line=line or None, column=column or None)
