"""One encoding for the whole file, found before its first record is read."""

import codecs

import pytest

from domain.failures import BadInput
from tests.sources.readers.csv.csv_reading import read

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
        (b"a\n\xe9\x81\n", 2),
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


class TestEvidence:
    """The whole file is judged: one bad byte does not outvote thousands of good ones."""

    GOOD = "a,b\nBüro,Zürich\nCafé,–\nMünchen,x\n".encode()

    def test_a_stray_byte_costs_its_record_alone(self) -> None:
        content = self.GOOD + b"bad \xff,x\n" + "Süd,y\n".encode()
        found = read(content)
        assert found.rows[0] == ("Büro", "Zürich")
        assert (found.rows[-1], found.numbers) == (("Süd", "y"), [1, 2, 3, 5])
        assert found.rejected == [(4, "encoding_invalid")]
        [rejected] = found.chunks[0].rejected
        assert (rejected.field, "line 5" in rejected.detail) == ("a", True)
        [warning] = found.profile.warnings
        assert f"offset {content.index(0xFF)} in line 5" in warning

    def test_also_amid_many_regular_records(self) -> None:
        many = "Österreich,x\n".encode() * 5_000
        found = read(b"a,b\n" + many + b"\xe9,x\n" + many)
        assert (found.rejected, found.profile.records) == ([(5_001, "encoding_invalid")], 10_001)

    @pytest.mark.parametrize("charset", ["windows-1252", "iso-8859-1", "koi8-r"])
    def test_a_declared_charset_that_the_bytes_contradict_does_not_win(self, charset: str) -> None:
        found = read(self.GOOD, charset)
        assert (found.profile.encoding, found.rows[0]) == ("utf-8", ("Büro", "Zürich"))
        assert "was declared" in found.profile.warnings[0]

    def test_a_declaration_that_cannot_be_told_from_the_truth_is_no_warning(self) -> None:
        assert read(b"a,b\n1,2\n", "windows-1252").profile.warnings == []

    def test_a_file_that_ends_inside_a_character_was_cut(self) -> None:
        with pytest.raises(BadInput) as refusal:
            read(self.GOOD + "x,ü".encode()[:-1])
        problem = refusal.value.problem
        assert (problem.code, "it was cut" in problem.detail) == ("encoding_invalid", True)
        assert (problem.offset, problem.line) == (len(self.GOOD) + 2, 5)

    def test_the_warning_of_a_guess_names_the_byte_and_the_way_out(self) -> None:
        [warning] = read("a,b\nx,y\nBüro,z\n".encode("windows-1252")).profile.warnings
        assert "offset 9, line 3" in warning
        assert "if that is wrong, pass `charset`" in warning

    def test_what_is_refused_is_not_said_to_be_what_nobody_claimed(self) -> None:
        with pytest.raises(BadInput) as refusal:
            read("a,b\n日本、語,x\n".encode("shift_jis"))
        detail = refusal.value.problem.detail
        assert ("windows-1252" in detail, "pass `charset`" in detail) == (False, True)

    @pytest.mark.parametrize("charset", ["cp1251", "koi8-r", "iso8859-7"])
    def test_another_alphabet_is_not_read_as_western(self, charset: str) -> None:
        words = "Ελλάδα, Πελάτης" if charset == "iso8859-7" else "Принтер, Клиент"
        with pytest.raises(BadInput, match="more likely another alphabet: pass `charset`"):
            read(f"a,b\n{words}\n".encode(charset))
        assert read(f"a,b\n{words}\n".encode(charset), charset).rows[0][0] == words.split(",")[0]

    @pytest.mark.parametrize("words", ["Größe äöü,é", "œuvre,ça", "Ærø Åå,ÆØÅ", "ñandú,¿qué?"])
    def test_western_words_are(self, words: str) -> None:
        assert read(f"a,b\n{words}\n".encode("cp1252")).rows == [tuple(words.split(","))]

    def test_western_words_that_look_foreign_are_told_the_way(self) -> None:
        content = "a,b\näöüß,x\n".encode("cp1252")
        with pytest.raises(BadInput) as refusal:
            read(content)
        detail = refusal.value.problem.detail
        assert detail == (
            "the file is not UTF-8 (the byte at offset 4, line 2). Read as windows-1252 it would"
            " have words of four or more letters beyond ASCII, which is more likely another"
            " alphabet: pass `charset` with the file's real encoding, or charset=windows-1252 if"
            " that is right"
        )
        assert read(content, "windows-1252").rows == [("äöüß", "x")]

    def test_one_pair_of_bytes_is_no_evidence_against_a_declaration(self) -> None:
        content = "a,b\nGruß“,x\n".encode("cp1252")
        assert read(content, "windows-1252").rows == [("Gruß“", "x")]
        assert read("a,b\nß,x\n".encode(), "windows-1252").rows == [("ß", "x")]

    @pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    @pytest.mark.parametrize("marked", [True, False])
    def test_wide_characters_are_recognised_with_a_mark_and_without(
        self, name: str, marked: bool
    ) -> None:
        text = "\ufeff" * marked + "number,title\n1,Büro – Zürich\n2,x\n"
        found = read(text.encode(name))
        assert (found.profile.encoding, found.rows[0]) == (name, ("1", "Büro – Zürich"))
