"""What is wrong with one record of an XML export, and whether the others can be read all the same.

A character that XML forbids, a reference to nothing, a byte that is not UTF-8: none of these
changes where markup begins and ends. Each is replaced by a harmless character; if the record can
then be parsed, it alone is lost. libxml2's recover mode does not serve: it goes on after any
fault, and drops text silently. Where the tags themselves do not fit, the record's end is unknown.
"""

import re
from dataclasses import dataclass, field

from lxml import etree

from domain.failures import Problem

_TOKEN = re.compile(
    rb"""(?P<section><!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>)
    |</(?P<end>[^\s<>/"'=&!?]+)\s*>
    |<(?P<start>[^\s<>/"'=&!?]+)(?:\s++[^<>"'/]*+(?:"[^"<]*"|'[^'<]*'))*\s*(?P<empty>/?)>
    |(?P<text>[^<]+)""",
    re.DOTALL | re.VERBOSE,
)
_CONTROL = rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]"
_IN_SECTION = re.compile(_CONTROL)
_IN_TEXT = re.compile(_CONTROL + rb"|\]\]>|&(?:[^\s<>&;]{1,50};)?")
_IN_TAG = re.compile(_CONTROL + rb"|&(?:[^\s<>&;]{1,50};)?")
_KNOWN = {b"&amp;", b"&lt;", b"&gt;", b"&quot;", b"&apos;"}
_NUMBER = re.compile(r"[0-9]+|x[0-9a-fA-F]+")
_LONGEST = 9_000_000  # bytes of one text; libxml2 reads none of 10,000,000
_SHOWN = 40  # bytes shown before and after a defect


@dataclass(frozen=True, slots=True)
class Defect:
    """A fault at a byte of the text, in a field of the record; `value` is what stands around it."""

    code: str
    detail: str
    at: int
    field: str | None
    value: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that was not well-formed, with its defects replaced; `line` is that of the first."""

    record: etree._Element
    defects: list[Defect]
    line: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """The file cannot be read from here on; `tag` is that of the record to blame, if one is."""

    problem: Problem
    tag: str = ""


@dataclass(slots=True)
class Examined:
    """A text with its defects replaced. `wrong` says what is wrong with its tags, in `field`."""

    pieces: list[bytes] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    wrong: str | None = None
    field: str | None = None

    @property
    def text(self) -> bytes:
        return b"".join(self.pieces)

    def located(self, problem: Problem) -> Problem:
        """The parser's problem with this text, with what is `wrong` as its detail if the markup is
        broken, and the field."""
        detail = problem.detail
        if problem.code == "xml_malformed":
            detail = f"{self.wrong}; export it again, or as JSON or CSV"
        where = f"in field {self.field!r}: " if self.field else ""
        return problem.model_copy(update={"detail": where + detail})


def examine(text: bytes) -> Examined:
    """Look at the text of one record, tag by tag."""
    found, at = Examined(), 0
    open_tags: list[bytes] = []
    while at < len(text) and found.wrong is None:
        token = _TOKEN.match(text, at)
        found.field = _named(open_tags)
        if token is None:
            found.wrong = "a < stands where no tag is, or a tag is not closed"
        elif token["end"] and (not open_tags or open_tags[-1] != token["end"]):
            opened = f"<{_shown(open_tags[-1])}> is open" if open_tags else "nothing is open"
            found.wrong = f"</{_shown(token['end'])}> stands where {opened}"
        elif token["end"]:
            open_tags.pop()
        elif token["start"] and not token["empty"]:
            open_tags.append(token["start"])
            found.field = _named(open_tags)
        if token:
            _replace(token, found)
            at = token.end()
            if found.defects and not open_tags and not token["end"]:
                found.wrong = f"between records, {found.defects[0].detail}"
    if open_tags and found.wrong is None:
        found.wrong = f"<{_shown(open_tags[-1])}> is not closed"
    return found


def _named(open_tags: list[bytes]) -> str | None:
    """The field that the tags are in, if they are in any."""
    return _shown(open_tags[1]) if len(open_tags) > 1 else None


def _replace(token: re.Match[bytes], found: Examined) -> None:
    """Add a token to what was found, with `?` in place of each defect."""
    text = token[0]
    allowed = _IN_SECTION if token["section"] else _IN_TEXT if token["text"] else _IN_TAG
    if len(text) > _LONGEST and not token["start"]:
        size = f"a value of {len(text):,} bytes, as attachments are"
        detail = f"{size}, is longer than XML readers take; export without it, or as JSON"
        found.defects.append(_defect("xml_text_too_large", detail, token, 0, found))
        text = b"?"
    try:
        text.decode()
    except UnicodeDecodeError as error:
        detail = f"byte {text[error.start]:#04x} is not UTF-8, which the file declares"
        found.defects.append(_defect("encoding_invalid", detail, token, error.start, found))
        text = text.decode(errors="replace").encode()
    last = 0
    for each in allowed.finditer(text):
        if fault := _fault(each[0]):
            found.defects.append(_defect(*fault, token, each.start(), found))
            found.pieces += [text[last : each.start()], b"?"]
            last = each.end()
    found.pieces.append(text[last:])


def _defect(code: str, detail: str, token: re.Match[bytes], at: int, found: Examined) -> Defect:
    around = token[0][max(at - _SHOWN, 0) : at + _SHOWN].decode(errors="replace")
    return Defect(code, detail, token.start() + at, found.field, around.replace("\0", "\ufffd"))


def _fault(found: bytes) -> tuple[str, str] | None:
    """The code and words for what cannot stand in XML; None if it can."""
    if found in _KNOWN:
        return None
    shown = found.decode(errors="replace")
    if found.startswith(b"&#"):
        if _is_character(shown[2:-1]):
            return None
        return "xml_char_invalid", f"{shown} is a character that XML cannot hold"
    if found == b"&":
        return "xml_malformed", "a & stands here that should be &amp;"
    if found.startswith(b"&"):
        return "xml_malformed", f"{shown} is no entity that XML knows"
    if found == b"]]>":
        return "xml_malformed", "]]> cannot stand in a text"
    return "xml_char_invalid", f"a character stands here that XML cannot hold: {shown!a}"


def _is_character(number: str) -> bool:
    """Whether a character reference with this number is a character of XML 1.0 (section 2.2)."""
    if not _NUMBER.fullmatch(number):
        return False
    code = int(number[1:], 16) if number[0] == "x" else int(number)
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )


def _shown(name: bytes) -> str:
    return name[:100].decode(errors="replace")
