"""The fast reader and lxml alone agree, in records and in refusals."""

import re
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.failures import BadInput, Problem
from sources.readers.chunk import Limits, Profile
from sources.readers.xml import blocks as xml_blocks
from sources.readers.xml import stream as xml_stream
from sources.readers.xml.blocks import contents
from sources.readers.xml.shapes import Run
from sources.servicenow.xml_export import read_xml
from tests.sources.reading import read

PROLOGS = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<unload unload_date="2025-02-05 09:00:00">\n',
    '\ufeff<?xml version="1.0"?>\r\n<unload>',
    "<unload>",
]
ORDINARY = ["a", "é", "😀", " ", "\n", "\r\n", "\t", "&amp;", "&lt;", "&#13;", "]", ">", "/", "'"]
ODD = ["&#233;", "&#x41;", "\r", "]]>", "/>", "<![CDATA[<]]>", "<!-- x -->", "<?p?>", "\x7f"]
EVIL = ["&nope;", "&", "<", "\x01", "\uffff", "\ufffe", "<b>1</b>", "</incident>", "&#0;", "</a>"]
ORDINARY_TEXT = st.lists(st.sampled_from(ORDINARY), max_size=4).map("".join)
ANY_TEXT = st.lists(st.sampled_from(ORDINARY * 3 + ODD * 2 + EVIL), max_size=4).map("".join)
Shape = tuple[str, str, tuple[str, ...], str]
NAMES = ["a", "b", "a", "b", "a.display_value", "x-1"]  # libxml2 miscounts columns after é in names
LIMITS = Limits(columns=5, field_bytes=12)


@st.composite
def field(draw: st.DrawFn, name: str, text: st.SearchStrategy[str]) -> str:
    shown = draw(st.sampled_from(["", "", ' display_value="{}"', ' display_value="{}" name="N"']))
    tag = name + shown.format(draw(text).replace('"', ""))
    return draw(st.sampled_from([f"<{tag}/>", f"<{tag}>{draw(text)}</{name}>"]))


@st.composite
def shapes(draw: st.DrawFn, names: list[str]) -> Shape:
    tag = draw(st.sampled_from(["incident", "incident", "task", "journal"]))
    action = draw(st.sampled_from(["", ' action="INSERT_OR_UPDATE"', ' action="DELETE"']))
    fields = draw(st.lists(st.sampled_from(names), max_size=3))
    return tag, action, tuple(fields), draw(st.sampled_from(["", "\n", "\r\n  "]))


@st.composite
def record(draw: st.DrawFn, shape: Shape, text: st.SearchStrategy[str]) -> str:
    tag, action, fields, between = shape
    content = between.join(draw(field(name, text)) for name in fields)
    return f"<{tag}{action}>{between}{content}{between}</{tag}>{between}"


@st.composite
def exports(draw: st.DrawFn, text: st.SearchStrategy[str], names: list[str] = NAMES) -> bytes:
    """Records of a few shapes: ordinary ones of each, then all mixed, `text` in the last few."""
    known = draw(st.lists(shapes(names), min_size=1, max_size=3))
    first = [draw(record(shape, ORDINARY_TEXT)) for shape in known for _ in range(3)]
    some = st.sampled_from(known)
    mixed = [draw(record(shape, ORDINARY_TEXT)) for shape in draw(st.lists(some, max_size=8))]
    last = [draw(record(shape, text)) for shape in draw(st.lists(some, max_size=3))]
    body = "".join([*first, *mixed, *last])
    return (draw(st.sampled_from(PROLOGS)) + body + "\n</unload>\n").encode()


SMALL = st.integers(20, 4_000)


def outcome(content: bytes, limits: Limits) -> Any:
    """Everything that a caller can see of a file: its records and profile, or its problem."""
    try:
        found = read(read_xml, content, "incident task", limits)
    except BadInput as error:
        return error.problem
    return [chunk.frame.rows(named=True) for chunk in found.chunks], found.rejected, found.profile


def readings(
    content: bytes, block_bytes: int, limits: Limits | None = None, patience: int = 2**30
) -> tuple[Any, Any]:
    """The outcome of the fast reader in small blocks, and that of lxml alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_blocks, "_PROLOG", re.compile(rb"(?!)"))
        by_lxml = outcome(content, limits or Limits())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_blocks, "BLOCK_BYTES", block_bytes)
        patch.setattr(xml_blocks, "FRAGMENT_BYTES", 1)  # one record at a time
        patch.setattr(xml_blocks, "_PATIENCE", patience)
        patch.setattr(xml_blocks, "_PAD", 7)
        patch.setattr(xml_stream, "READ_BYTES", block_bytes)
        return outcome(content, limits or Limits()), by_lxml


BROKEN = re.compile(
    "&nope;|&(?!(?:amp|lt|gt|quot|apos|#13|#233|#x41);)|&#0;|[\x01\uffff\ufffe\udc80-\udcff]|(?<!A\\[<)]]>"
    r'(?![^"<]*"(?: name="N")?/?>)'  # in an attribute it is text
)


def agree(content: bytes, found: Any, by_lxml: Any) -> bool:
    """Whether both tell the same; or, where lxml alone refuses, the fast way tells more of the
    fault or loses the broken records alone."""
    if found == by_lxml or not isinstance(by_lxml, Problem):
        return bool(found == by_lxml)
    text = content.decode(errors="surrogateescape")
    if isinstance(found, Problem):
        same = (found.code, found.line) == (by_lxml.code, by_lxml.line)
        return same or bool(BROKEN.search(text))
    return by_lxml.code in MENDED and loses_the_broken_alone(text, *found)


def loses_the_broken_alone(text: str, chunks: Any, rejected: Any, profile: Profile) -> bool:
    """Whether the other records are those of the same text with a harmless character in place of
    each that XML forbids."""
    if not rejected and not profile.ignored:
        return False
    mended = outcome(BROKEN.sub("?", text).encode(), Limits())
    if isinstance(mended, Problem):  # for another fault of a broken record
        return mended.code not in MENDED
    lost = {each.row for each in rejected}
    sound = [each for each in named(mended[0]) if each["_row"] not in lost]
    return named(chunks) == sound


def named(chunks: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    rows = [row for chunk in chunks for row in chunk]
    return [{name: each for name, each in row.items() if each is not None} for row in rows]


MENDED = ("xml_char_invalid", "xml_malformed", "encoding_invalid")


@settings(max_examples=150, deadline=None)
@given(exports(ORDINARY_TEXT), SMALL)
def test_ordinary_exports(content: bytes, block_bytes: int) -> None:
    assert agree(content, *readings(content, block_bytes))


@settings(max_examples=150, deadline=None)
@given(exports(ANY_TEXT), SMALL)
def test_exports_with_anything_in_a_value(content: bytes, block_bytes: int) -> None:
    assert agree(content, *readings(content, block_bytes))


@settings(max_examples=150, deadline=None)
@given(
    exports(ORDINARY_TEXT),
    st.integers(0, 2_000),
    st.integers(0, 3),
    st.sampled_from(ODD + EVIL),
    SMALL,
)
def test_exports_with_one_place_changed(
    content: bytes, at: int, gone: int, noise: str, block_bytes: int
) -> None:
    at %= len(content) + 1
    content = content[:at] + noise.encode() + content[at + gone :]
    assert agree(content, *readings(content, block_bytes))


@settings(max_examples=100, deadline=None)
@given(exports(ORDINARY_TEXT, [*NAMES, "_row"]), SMALL)
def test_exports_beyond_the_limits(content: bytes, block_bytes: int) -> None:
    assert agree(content, *readings(content, block_bytes, LIMITS))


@settings(max_examples=100, deadline=None)
@given(exports(ANY_TEXT), exports(ORDINARY_TEXT), SMALL)
def test_odd_exports_that_are_given_up(odd: bytes, rest: bytes, block_bytes: int) -> None:
    body = odd.rpartition(b"</unload>")[0]
    content = body + rest[rest.find(b"<", rest.find(b"<unload") + 1) :]
    assert agree(content, *readings(content, block_bytes, patience=1))


KNOWN = '<incident><a.b display_value="x">1</a.b></incident>\n'
MANY = " ".join(f'b{number}=""' for number in range(1_001))


@pytest.mark.parametrize(
    "odd",
    [
        *(KNOWN.replace("1", each) for each in [*ORDINARY, *ODD, *EVIL]),
        *(KNOWN.replace("x", each) for each in [*ORDINARY, *ODD, *EVIL]),
        KNOWN.replace("a.b", "axb"),
        KNOWN.replace("1", f"<c {MANY}/>"),
        KNOWN.replace("1", "<c>" * 255 + "</c>" * 255),
        KNOWN.replace("x", f'x" {MANY} y="'),
        KNOWN.replace('"x"', "'x'"),
        "</unload><unload>" + KNOWN,
        "<task><c/></task>",
        "text &amp; text",
    ],
)
def test_one_odd_record_among_known_ones(odd: str) -> None:
    content = f"<unload>{KNOWN * 5}{KNOWN.strip()}{odd}{KNOWN}</unload>".encode()
    assert agree(content, *readings(content, 10_000))


def test_lxml_reads_only_what_is_odd() -> None:
    regular = (
        '<incident><a display_value="x">1 &amp; 2</a><b/></incident><journal><c>3</c></journal>'
    )
    odd = "<incident><a><![CDATA[<]]></a><b/></incident>"
    export = f"<unload>{regular * 5_000}{odd}{regular * 5_000}</unload>".encode()
    found = [*contents(BytesIO(export), frozenset({"incident"}), Profile(), Limits())]
    runs = [each for each in found if isinstance(each, Run)]
    assert sum(run.frame.height for run in runs) > 9_000
    assert sum(run.ignored.get("journal", 0) for run in runs) > 9_000
