"""JSON read as a stream: one value at a time is in memory, however long its line is.

The standard library's decoder does the decoding, on a growing window of the text. What it
accepts against RFC 8259 (NaN, repeated keys, lone surrogates, any depth) is detected here.
"""

import json
import math
import re
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from domain.failures import BadInput
from domain.json_document import Json
from sources.readers.chunk import Limits
from sources.readers.json.window import TextWindow

NUMBER_DIGITS = 4_300  # as many as CPython itself reads into an int

_CONTAINERS = frozenset((dict, list))
_VISIBLE = re.compile(r"[^ \t\n\r]")
_BETWEEN_OBJECTS = re.compile(r"\}([ \t\n\r]*,[ \t\n\r]*)(?=\{)")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = len(r"\uXXXX")
# What the decoder leaves unread where the text ends inside a token, or inside a number.
_CUT_TOKEN = re.compile(
    r"\s*|-|\.|[eE][-+]?|t(ru?)?|f(a(ls?)?)?|n(ul?)?|Na?|-?I(n(f(i(n(it?)?)?)?)?)?"
)
_CUT_NUMBER = re.compile(r"(?:\.|[eE][-+]?)?")


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class JsonText:
    """A cursor over one JSON text. Numbers are read as `Number`, the rest as `json` does.

    `row` counts the array elements begun so far; `repeated` is a key that stands twice in one
    object of the value read last; `quotes_braces` says that a string read so far may begin with a
    brace. Every method raises BadInput, with line, column and byte offset, where the text is not
    JSON or exceeds the limits.
    """

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self.row = 0
        self.repeated: str | None = None
        self.quotes_braces = False
        self._limits = limits
        self._window = TextWindow(stream)
        self._depth = 0
        self._objects = 0  # in the run read last
        self._tried = ""  # the window that was last read as a run
        self._bad_number: tuple[str, str] | None = None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._number,
            parse_float=self._number,
            parse_constant=self._constant,
        )

    @property
    def encoding(self) -> str:
        """How the text is encoded."""
        return self._window.encoding

    def begin(self) -> str:
        """Skip byte order marks, as each of several joined files may begin with one, and `peek`."""
        while (found := self.peek()) == "\ufeff":
            self._window.at += 1
        return found

    def peek(self) -> str:
        """The next character that is not white space; "" where the text ends."""
        window = self._window
        while not (found := _VISIBLE.search(window.text, window.at)):
            window.at = len(window.text)
            if window.ended:
                return ""
            window.grow()
        window.at = found.start()
        return found[0]

    def elements(self) -> Iterator[list[Any]]:
        """The values of the array that begins here, many at once where they are regular."""
        more = self._open("[", "]")
        while more:
            if run := self._run():
                self.row += len(run)
                yield run
            self.row += 1
            yield [self.value()]
            more = self._take(",", "]") == ","
        self._depth -= 1

    def members(self) -> Iterator[str]:
        """The key of each member of the object that begins here; the caller reads its value."""
        more = self._open("{", "}")
        while more:
            if self.peek() != '"':
                raise self._unexpected("a key")
            key = self.value()
            self._take(":")
            yield key
            more = self._take(",", "}") == ","
        self._depth -= 1

    def value(self) -> Any:
        """The whole value that begins here."""
        self.peek()
        while (found := self._attempt()) is None:
            if self._size(len(self._window.text)) > self._limits.record_bytes:
                raise self._too_large()
            self._window.grow()
        value, end = found
        self._check(value, end)
        self._note_braces(self._window.text, self._window.at, end)
        self._window.at = end
        return value

    def end(self) -> None:
        """Nothing but white space may follow."""
        if self.peek():
            raise self.error("json_trailing_data", "more text follows the JSON value")

    def error(self, code: str, detail: str, limit: int | None = None) -> BadInput:
        """The refusal of the file for what stands at the cursor."""
        place = self._window.place(self._window.at)
        return BadInput(code, detail, row=self.row or None, limit=limit, **place)

    def _open(self, opening: str, closing: str) -> bool:
        """Pass the opening bracket; returns whether anything is inside, else passes the closing."""
        self._take(opening)
        self._depth += 1
        if self.peek() != closing:
            return True
        self._window.at += 1
        return False

    def _take(self, *expected: str) -> str:
        found = self.peek()
        if found not in expected:
            raise self._unexpected(" or ".join(expected))
        self._window.at += 1
        return found

    def _unexpected(self, expected: str) -> BadInput:
        found = self.peek()
        if not found:
            return self.error("json_truncated", f"the file ends where {expected} should follow")
        return self.error("json_malformed", f"{found!r} stands where {expected} should")

    def _run(self) -> list[Any]:
        """All objects that lie whole in the window except the last one, decoded at once; leaves the
        cursor behind the comma after them.

        Where they end is guessed: if the text up to there decodes, the guess was right, as JSON can
        be read in one way only. If anything is irregular, the result is [], and `value` reads the
        objects one by one and names the fault.
        """
        window = self._window
        if self._tried is window.text:  # each window once, else odd files take quadratic time
            return []
        self._tried = window.text
        found = deque(_BETWEEN_OBJECTS.finditer(window.text, window.at), maxlen=1)
        if not found:
            return []
        between = found.pop()
        text = f"[{window.text[window.at : between.start(1)]}]"
        values = self._decoded(text)
        if values:
            window.at = between.end()
        return values

    def _decoded(self, text: str) -> list[Any]:
        """The objects of an array, or [] if any of them is invalid or may exceed a limit."""
        self._bad_number, self.repeated, self._objects = None, None, 0
        if 4 * len(text) > self._limits.record_bytes or _may_hold_half_a_pair(text):
            return []
        try:
            values: list[Any] = self._decoder.decode(text)
        except (RecursionError, json.JSONDecodeError):
            return []
        braces = text.count("{")
        are_objects = {dict}.issuperset(map(type, values))
        flat = are_objects and braces == len(values) and "[" not in text[1:]
        if braces > self._objects:  # some are in strings
            self._note_braces(text, 0, len(text))
        deep = not flat and any(map(self._is_too_deep, values))
        return [] if self._bad_number or self.repeated or deep else values

    def _attempt(self) -> tuple[Any, int] | None:
        """The value and where it ends; None where its end is not in the window yet."""
        window = self._window
        self._bad_number = self.repeated = None
        try:
            value, end = self._decoder.raw_decode(window.text, window.at)
        except RecursionError:
            raise self._too_deep() from None
        except json.JSONDecodeError as error:
            cut = _is_cut(error)
            if cut and not window.ended:
                return None
            window.at = len(window.text) if cut else error.pos
            code = "json_truncated" if cut else "json_malformed"
            detail = "the file ends inside a value" if cut else error.msg
            raise self.error(code, detail) from None
        if window.ended or not isinstance(value, Number):
            return value, end
        # A number may go on beyond the window, also where `1e+` or `1.` is its last text.
        return None if _CUT_NUMBER.fullmatch(window.text, end) else (value, end)

    def _check(self, value: Any, end: int) -> None:
        text, start = self._window.text, self._window.at
        if self._bad_number:
            raise self.error(*self._bad_number)
        if self._size(end) > self._limits.record_bytes:
            raise self._too_large()
        if self._is_too_deep(value):
            raise self._too_deep()
        if _may_hold_half_a_pair(text, start, end) and not _is_unicode(value):
            raise self.error("json_string_invalid", "half of a surrogate pair stands alone")

    def _note_braces(self, text: str, start: int, end: int) -> None:
        self.quotes_braces = self.quotes_braces or text.find('"{', start, end) >= 0

    def _size(self, end: int) -> int:
        """The bytes from the cursor to `end`; exact only near the limit, where it matters."""
        characters = end - self._window.at
        if 4 * characters <= self._limits.record_bytes:
            return characters
        return len(self._window.text[self._window.at : end].encode())

    def _too_large(self) -> BadInput:
        limit = self._limits.record_bytes
        return self.error("json_record_too_large", f"one value is longer than {limit} bytes", limit)

    def _is_too_deep(self, value: Any) -> bool:
        return _is_deeper(value, self._limits.json_depth - self._depth)

    def _too_deep(self) -> BadInput:
        limit = self._limits.json_depth
        return self.error("json_too_deep", f"values are nested more than {limit} deep", limit)

    def _object(self, pairs: list[tuple[str, Any]]) -> Json:
        made = dict(pairs)
        self._objects += 1
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            self.repeated = next(name for name in names if names.count(name) > 1)
        return made

    def _number(self, text: str) -> Number:
        if len(text) > NUMBER_DIGITS:
            self._bad_number = "json_number_too_long", f"a number has {len(text)} characters"
        elif math.isinf(float(text)):
            self._bad_number = "json_number_invalid", f"{text} is beyond every number format"
        return Number(text)

    def _constant(self, text: str) -> None:
        self._bad_number = "json_number_invalid", f"{text} is not JSON"


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Whether more text could mend the error."""
    return (
        error.msg.startswith("Unterminated string")
        or (error.msg.startswith("Invalid \\u") and len(error.doc) - error.pos <= _ESCAPE)
        or _CUT_TOKEN.fullmatch(error.doc, error.pos) is not None
    )


def _may_hold_half_a_pair(text: str, start: int = 0, end: int = sys.maxsize) -> bool:
    """Only an escape can bring half a surrogate pair in; most files have none."""
    return text.find("\\u", start, end) >= 0 and bool(_SURROGATE.search(text, start, end))


def _is_deeper(value: Any, most: int) -> bool:
    """Whether objects and arrays are nested more than `most` deep; looks no deeper than that."""
    if not isinstance(value, dict | list):
        return False
    if most < 1:
        return True
    children = value.values() if isinstance(value, dict) else value
    if _CONTAINERS.isdisjoint(map(type, children)):  # the usual record, at the speed of C
        return False
    return any(_is_deeper(each, most - 1) for each in children)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
