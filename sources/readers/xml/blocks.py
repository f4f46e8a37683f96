"""The records of an XML export: in bulk while they are regular, else one by one.

Four ways of reading are tried in turn, each with the same result as the last, slowest one:

1. regular expressions (sources/readers/xml/shapes.py) read runs of records of known shape;
2. lxml reads the next few records, placed between the file's own prolog and the end of its root.
   If that is a well-formed document, they are whole records, as nothing in them is left open;
3. a single record that is not well-formed only for a character or reference in it becomes Broken,
   and reading goes on with the next one (sources/readers/xml/defects.py);
4. otherwise lxml reads all the rest of the file, and names what is wrong. White space stands for
   what was read before, so that lines and columns are those of the file.

The first three begin and end directly below the root, where what stands before has no influence
on what follows: there are no entities (a DOCTYPE is refused) and no namespaces (a file that has
some, or is not in UTF-8, goes to lxml as a whole).
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import BinaryIO

from lxml import etree

from domain.failures import BadInput, Problem
from sources.readers.chunk import Limits, Profile
from sources.readers.xml.defects import Broken, Stuck, examine
from sources.readers.xml.shapes import Run, Shapes
from sources.readers.xml.stream import (
    Document,
    elements,
    local_name,
    pieces_of,
    read_prolog,
    sliced,
)

BLOCK_BYTES = 2**21
FRAGMENT_BYTES = 2**14  # enough to pay for a parser, few enough not to lose much to one odd record

_PATIENCE = 64  # times FRAGMENT_BYTES; past that, regular runs are too rare, and lxml takes over
_BEHIND = 2  # columns by which libxml2 may name a place behind a tag
_PAD = 2**16
_PAD_END = b"<_/>"  # ends a piece of padding, as libxml2 bounds the length of one text
_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb"""(?:<\?xml version=["']1.0["'](?: encoding=["'](?i:utf-8)["'])?"""
    rb"""(?: standalone=["']\w+["'])?\s*\?>)?"""
    rb"""\s*<([A-Za-z_][\w.-]*)(?:\s+(?!xml)[\w.-]+="[^"<]*")*\s*>"""
)
_NAME = re.compile(rb"<([A-Za-z_][\w.-]*)")
_IRREGULAR = etree.XPath("boolean(*/*/* | descendant::*[count(@*) > $attributes])")
_NO_CHARACTERS = ("\ufffe".encode(), "\uffff".encode())

Content = etree._Element | Run | Broken | Stuck


def contents(
    stream: BinaryIO, tables: frozenset[str], profile: Profile, limits: Limits
) -> Iterator[Content]:
    """The children of the root in their order, or the root itself if `tables` names it.

    A single record that is not well-formed comes as Broken. Where nothing can be read from some
    place on, Stuck comes last, or BadInput is raised with line and column.
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
    """The bytes `_text[_at:]` are read, but not consumed; they begin directly below the root."""

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
        self._end_tag = f"</{root_tag}>".encode()
        self._shapes = Shapes(tables)
        self._fragment_bytes = FRAGMENT_BYTES
        self._block_bytes = min(BLOCK_BYTES, limits.record_bytes)
        self._text, self._at, self._sound, self._ended = b"", 0, 0, False
        self._lines, self._column = 0, 0  # what has been consumed since the prolog

    def contents(self) -> Iterator[Content]:
        while True:
            if run := self._shapes.read(self._text, self._at, self._sound):
                if run.end - self._at > FRAGMENT_BYTES:
                    self._fragment_bytes = FRAGMENT_BYTES
                self._consume(run.end)
                yield run
            elif self._fragment_bytes > _PATIENCE * FRAGMENT_BYTES:
                break  # where most records are odd, short runs cost more than they save
            elif end := self._fragment_end():
                if (found := self._read(end)) is None:
                    break
                yield from found
            elif self._ended or len(self._text) - self._at >= self._limits.record_bytes:
                break
            else:
                self._fill()
        yield from self._rest()

    def _read(self, end: int) -> Iterable[Content] | None:
        """The records up to `end`, or the first of them; None if lxml must read all the rest."""
        try:
            records = self._alone(self._text[self._at : end] + self._end_tag)
        except BadInput:
            return self._fewer(end)
        return None if records is None else self._learned(records, end)

    def _fewer(self, end: int) -> Iterable[Content] | None:
        """The first of some records of which one is not well-formed; None if lxml must read all the
        rest."""
        self._fragment_bytes = FRAGMENT_BYTES
        first = self._record_end()
        if first < end:
            return self._read(first)
        examined = examine(self._text[self._at : first])
        if examined.wrong or not examined.defects:
            return None
        try:
            root = self._alone(examined.text + self._end_tag)
        except BadInput:
            return None
        if root is None or len(root) != 1:
            return None
        line, _ = self._place(examined.defects[0].at)
        self._pass(first)
        return [Broken(root[0], examined.defects, line)]

    def _learned(self, records: etree._Element, end: int) -> Iterator[etree._Element]:
        if len(records):
            self._shapes.learn(records[0])  # this one was new to the shapes
            self._shapes.learn(records[-1])
        self._pass(end)
        self._fragment_bytes *= 2
        yield from records

    def _pass(self, end: int) -> None:
        self._consume(end)
        if end > self._sound:
            self._sound = _sound_end(self._text, end)

    def _fill(self) -> None:
        blocks = [self._text[self._at :]]
        have = len(blocks[0])
        enough = self._block_bytes if have < self._block_bytes else have + self._block_bytes
        while have < enough and not self._ended:
            block = next(self._pieces, b"")
            self._ended = not block
            blocks.append(block)
            have += len(block)
        text = b"".join(blocks)
        # XML normalises line ends first of all; a CR whose LF is yet to be read is not consumed.
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
        """Where the next few records may end; 0 if that cannot be told."""
        name = _NAME.search(self._text, self._at)
        if name is None:
            return 0
        tag = b"</" + name[1] + b">"
        end = self._text.rfind(tag, name.end(), self._at + self._fragment_bytes)
        return end + len(tag) if end >= 0 else self._record_end()

    def _record_end(self) -> int:
        """Where the next record ends, if it holds no other one; 0 if that cannot be told."""
        name = _NAME.search(self._text, self._at)
        if name is None:
            return 0
        tag = b"</" + name[1] + b">"
        end = self._text.find(tag, name.end())
        return end + len(tag) if end >= 0 else 0

    def _place(self, at: int) -> tuple[int, int]:
        """The line and column in the file of a byte of what is not consumed yet."""
        before = self._text[self._at : self._at + at]
        lines = self._lines + before.count(b"\n")
        column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
        if b"\n" not in before:
            column += self._column
        if not lines:
            column += len(self._prolog.rpartition(b"\n")[2].decode(errors="replace"))
        return 1 + self._prolog.count(b"\n") + lines, column

    def _alone(self, text: bytes) -> etree._Element | None:
        """The root with `text` in it, which is parsed behind the file's prolog. None if it has
        elements in fields or too many attributes: these are left to the reader that knows its place
        in the file. Raises BadInput if it is not well-formed."""
        document = Document(self._root_tag)
        document.feed(self._prolog + text)
        root = document.close()
        if _IRREGULAR(root, attributes=self._limits.xml_attributes):
            return None
        self._profile.encoding = document.encoding or self._profile.encoding
        return root

    def _rest(self) -> Iterator[Content]:
        rest, last = self._text[self._at :], None
        if self._ended:
            with suppress(BadInput):
                last = self._alone(rest)
        if last is not None:
            yield from last
            return
        pads = _padding(self._lines, self._column)
        pieces = chain([self._prolog], pads, sliced(rest), self._pieces)
        found = elements(pieces, self._root_tag, self._tables, self._profile, self._limits)
        try:
            yield from islice(found, sum(pad.endswith(_PAD_END) for pad in pads), None)
        except BadInput as error:
            yield self._stuck(error.problem)

    def _stuck(self, problem: Problem) -> Stuck:
        """Stuck with this problem; names the next record's tag if that record is to blame."""
        text, end = self._text[self._at :], self._record_end() - self._at
        name = _NAME.match(text.lstrip())
        examined = examine(text[:end] if end > 0 else text)
        beyond = end > 0 and _place_of(problem) > self._place(end + _BEHIND)
        if name is None or examined.wrong is None or beyond:
            return Stuck(problem)
        return Stuck(examined.located(problem), name[1].decode())


def _place_of(problem: Problem) -> tuple[int, int]:
    return problem.line or 0, problem.column if isinstance(problem.column, int) else 0


def _sound_end(text: bytes, start: int = 0) -> int:
    """Up to where the text from `start` on is UTF-8, and free of what shapes cannot exclude."""
    ends: list[int] = []
    if b"]" in text and b"]]" in text:  # measured: many times faster than one search for `]]>`
        ends.append(text.find(b"]]>", start))
    if not text.isascii():
        ends += [text.find(each, start) for each in _NO_CHARACTERS]
        try:
            text[start:].decode()
        except UnicodeDecodeError as error:
            ends.append(start + error.start)
    return min((end for end in ends if end >= 0), default=len(text))


def _padding(lines: int, column: int) -> list[bytes]:
    """White space at whose end a parser has advanced by so many lines and columns."""
    long_lines, long_columns = max(lines - 1, 0) // _PAD, max(column - 1, 0) // _PAD
    return [
        *[b"\n" * _PAD + _PAD_END] * long_lines,
        b"\n" * (lines - long_lines * _PAD),
        *[b" " * (_PAD - len(_PAD_END)) + _PAD_END] * long_columns,
        b" " * (column - long_columns * _PAD),
    ]
