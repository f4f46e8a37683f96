"""One encoding for the whole file, found before its first record is read."""

import codecs

import pytest

from domain.failures import BadInput
from tests.sources.csv_reading import read

TEXT = "name,city\nÄnne,Besançon\n"
ROWS = [("Änne", "Besançon")]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("windows-1252"), "windows-1252"),
    ],
)
def test_found_without_a_word(content: bytes, name: str) -> None:
    found = read(content)
    assert (found.columns, found.rows) == (["name", "city"], ROWS)
    assert found.profile.encoding == name
    assert len(found.profile.warnings) == (name == "windows-1252")


def test_one_late_byte_decides_for_all_records() -> None:
    body = "é,".encode("windows-1252") + b"x\n"
    found = read(b"a,b\n" + b"plain,x\n" * 600_000 + body)
    assert found.profile.encoding == "windows-1252"
    assert found.rows[-1] == ("é", "x")


@pytest.mark.parametrize(
    ("charset", "used", "value"),
    [
        ("windows-1250", "cp1250", "ř"),
        ("ISO-8859-2", "iso8859-2", "ř"),
        ("ISO-8859-1", "windows-1252", "ø"),
        ("utf-8", "windows-1252", "ø"),
        ("no-such-charset", "windows-1252", "ø"),
        ("rot13", "windows-1252", "ø"),
    ],
)
def test_a_declared_charset_is_tried_first(charset: str, used: str, value: str) -> None:
    found = read(b"a\n\xf8\n", charset)
    assert (found.profile.encoding, found.rows) == (used, [(value,)])


def test_a_byte_order_mark_outranks_the_declaration() -> None:
    found = read(codecs.BOM_UTF8 + TEXT.encode(), "windows-1252")
    assert (found.profile.encoding, found.rows) == ("utf-8", ROWS)


@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (b"a\n\xe9\x81\n", 3),
        (codecs.BOM_UTF8 + b"a\n\xe9\n", 5),
        (codecs.BOM_UTF8 + b"a\nx\xe9", 6),
        (codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le") + b"\x00\xd8a\x00", 6),
        (codecs.BOM_UTF16_BE + "a\n".encode("utf-16-be") + b"\x00", 6),
        (codecs.BOM_UTF8 + b"a\n" + b"x" * 2**21 + b"\xff", 5 + 2**21),
        (codecs.BOM_UTF8 + b"a\n" + b"x" * (2**21 - 1) + b"\xc3\n", 4 + 2**21),
    ],
)
def test_what_no_encoding_reads_is_named_by_its_offset(content: bytes, offset: int) -> None:
    with pytest.raises(BadInput) as refusal:
        read(content)
    assert (refusal.value.problem.code, refusal.value.problem.offset) == (
        "encoding_invalid",
        offset,
    )
