"""The records of an XML export: at the speed of columns while they are regular.

Three readers take turns, and each gives what the last one would:

1. regular expressions (sources/xml_shapes.py) read runs of records of known shape;
2. the next records beyond go to lxml, alone in the file's own prolog and root. If that is a
   well-formed document then they are whole records: nothing they opened is left open;
3. otherwise lxml reads all the rest of the file, and names what is wrong. What has been read
   before stands there as white space, so that lines and columns are the file's.

The first two begin and end directly below the root, where what stands before has no influence
on what follows: there are no entities (a DOCTYPE is refused) and no namespaces (or lxml gets the
whole file, as it does if the file is not in UTF-8).
"""

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import BinaryIO

from lxml import etree

from domain.failures import BadInput
from sources.batch import Limits, Profile
from sources.xml_shapes import Run, Shapes
from sources.xml_stream import Document, elements, local_name, pieces_of, read_prolog

BLOCK_BYTES = 2**21
FRAGMENT_BYTES = 2**14  # enough to pay for a parser, few enough not to lose much to one odd record

_PATIENCE = 64
_PAD = 2**16
_PAD_END = b"<_/>"  # libxml2 bounds the length of one text
_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb"""(?:<\?xml version=["']1.0["'](?: encoding=["'](?i:utf-8)["'])?"""
    rb"""(?: standalone=["']\w+["'])?\s*\?>)?"""
    rb"""\s*<([A-Za-z_][\w.-]*)(?:\s+(?!xml)[\w.-]+="[^"<]*")*\s*>"""
)
_NAME = re.compile(rb"<([A-Za-z_][\w.-]*)")
_IRREGULAR = etree.XPath("boolean(*/*/* | descendant::*[count(@*) > $attributes])")
_NO_CHARACTERS = ("\ufffe".encode(), "\uffff".encode())


def contents(
    stream: BinaryIO, tables: frozenset[str], profile: Profile, limits: Limits
) -> Iterator[etree._Element | Run]:
    """The children of the root in their order, or the root itself if `tables` names it.

    Raises BadInput with line and column where the file is not well-formed XML within the limits.
    """
    pieces = pieces_of(stream)
    root_tag, head = read_prolog(pieces, limits)
    prolog = _PROLOG.match(b"".join(head))
    if prolog is None or local_name(root_tag) in tables:
        yield from elements(chain(head, pieces), root_tag, tables, profile, limits)
        return
    rest = chain([prolog.string[prolog.end() :]], pieces)
    yield from _Blocks(prolog[0], root_tag, rest, tables, profile, limits).contents()


class _Blocks:
    """The bytes `text[at:]` are read, but not yet consumed; they begin directly below the root."""

    def __init__(
        self,
        prolog: bytes,
        root_tag: str,
        pieces: Iterator[bytes],
        tables: frozenset[str],
        profile: Profile,
        limits: Limits,
    ) -> None:
        self._prolog, self._root_tag, self._pieces = prolog, root_tag, pieces
        self._tables, self._profile, self._limits = tables, profile, limits
        self._shapes = Shapes(tables)
        self._fragment_bytes = FRAGMENT_BYTES
        self._block_bytes = min(BLOCK_BYTES, limits.record_bytes)
        self._text, self._at, self._sound, self._ended = b"", 0, 0, False
        self._lines, self._column = 0, 0  # what has been consumed since the prolog

    def contents(self) -> Iterator[etree._Element | Run]:
        while True:
            if run := self._shapes.read(self._text, self._at, self._sound):
                if run.end - self._at > FRAGMENT_BYTES:
                    self._fragment_bytes = FRAGMENT_BYTES
                self._consume(run.end)
                yield run
            elif self._fragment_bytes > _PATIENCE * FRAGMENT_BYTES:
                break  # where most records are odd, short runs cost more than they save
            elif end := self._fragment_end():
                closed = self._text[self._at : end] + f"</{self._root_tag}>".encode()
                records = self._alone(closed)
                if records is None:
                    break
                yield from self._learned(records, end)
            elif self._ended or len(self._text) - self._at >= self._block_bytes:
                break
            else:
                self._fill()
        yield from self._rest()

    def _learned(self, records: etree._Element, end: int) -> Iterator[etree._Element]:
        if len(records):
            self._shapes.learn(records[0])  # this one was new to the shapes
            self._shapes.learn(records[-1])
        self._consume(end)
        if end > self._sound:
            self._sound = _sound_end(self._text, end)
        self._fragment_bytes *= 2
        yield from records

    def _fill(self) -> None:
        blocks = [self._text[self._at :]]
        have = len(blocks[0])
        while have < self._block_bytes and not self._ended:
            block = next(self._pieces, b"")
            self._ended = not block
            blocks.append(block)
            have += len(block)
        text = b"".join(blocks)
        # As XML has it, before anything else; a CR whose LF is yet to be read is not consumed.
        self._text = text.replace(b"\r\n", b"\n") if b"\r" in text else text
        self._at = 0
        self._sound = _sound_end(self._text)

    def _consume(self, end: int) -> None:
        self._lines += self._text.count(b"\n", self._at, end)
        line = self._text.rfind(b"\n", self._at, end) + 1
        if line:
            self._column = 0
        self._column += len(self._text[line or self._at : end].decode(errors="replace"))
        self._at = end

    def _fragment_end(self) -> int:
        """Where the next few records may end; 0 if there is no telling."""
        name = _NAME.search(self._text, self._at)
        if name is None:
            return 0
        tag = b"</" + name[1] + b">"
        end = self._text.rfind(tag, name.end(), self._at + self._fragment_bytes)
        if end < 0:
            end = self._text.find(tag, name.end())
        return end + len(tag) if end >= 0 else 0

    def _alone(self, text: bytes) -> etree._Element | None:
        """The root with this text in it; none if that is no document, or has elements in fields
        or too many attributes, which are for the reader that knows where it is in the file."""
        document = Document(self._root_tag)
        try:
            document.feed(self._prolog + text)
            root = document.close()
        except BadInput:
            return None
        if _IRREGULAR(root, attributes=self._limits.xml_attributes):
            return None
        self._profile.encoding = document.encoding or self._profile.encoding
        return root

    def _rest(self) -> Iterator[etree._Element]:
        rest = self._text[self._at :]
        last = self._alone(rest) if self._ended else None
        if last is not None:
            yield from last
            return
        pads = _padding(self._lines, self._column)
        pieces = chain([self._prolog], pads, [rest], self._pieces)
        found = elements(pieces, self._root_tag, self._tables, self._profile, self._limits)
        yield from islice(found, sum(pad.endswith(_PAD_END) for pad in pads), None)


def _sound_end(text: bytes, start: int = 0) -> int:
    """How far the text is UTF-8 from `start` on, without what no shape can exclude."""
    ends: list[int] = []
    if b"]" in text and b"]]" in text:  # measured: in steps many times faster than at once
        ends.append(text.find(b"]]>", start))
    if not text.isascii():
        ends += [text.find(each, start) for each in _NO_CHARACTERS]
        try:
            text[start:].decode()
        except UnicodeDecodeError as error:
            ends.append(start + error.start)
    return min((end for end in ends if end >= 0), default=len(text))


def _padding(lines: int, column: int) -> list[bytes]:
    """White space that ends so many lines and columns further."""
    long_lines, long_columns = max(lines - 1, 0) // _PAD, max(column - 1, 0) // _PAD
    return [
        *[b"\n" * _PAD + _PAD_END] * long_lines,
        b"\n" * (lines - long_lines * _PAD),
        *[b" " * (_PAD - len(_PAD_END)) + _PAD_END] * long_columns,
        b" " * (column - long_columns * _PAD),
    ]
