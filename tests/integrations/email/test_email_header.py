"""Encoded header fields: a reader decodes the exact text, with all blanks."""

import base64
import random
import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.email.header import address_field, list_field, text_field

FRENCH = [
    "Genève",
    "équipe",
    "à",
    "résolu",
    "dépassé",
    "délai",
    "–",
    "réseau",
    "imprimante",
    "œuvre",
    "Noël",
    "où",
]
GERMAN = ["Gerät", "lädt", "nicht", "Störung", "Übertragung", "für", "große", "Prüfung", "defekt"]
CZECH = ["žádost", "o", "přístup", "tiskárna", "nefunguje", "příliš", "žluťoučký", "kůň"]
POLISH = ["zgłoszenie", "źródło", "łącze", "awaria", "półka", "śruba", "żółć", "gęś"]
JAPANESE = ["障害", "サーバー", "が応答", "しません", "復旧しました"]
MARKS = ["🔥", "👩‍👩‍👧‍👦", "e\u0301tat", "n\u0303", "🇨🇭", "a\u0308\u0323"]
SIGNS = [
    "-",
    "[SOS-1495488]",
    "=?",
    "?=",
    "=?utf-8?q?x?=",
    "_",
    "=",
    "(a)",
    '"',
    "\\",
    "a,b",
    "<x>",
]
LONG = ["x" * 80, "ü" * 90, "Donaudampfschifffahrtsgesellschaftskapitänskajütentürschlüssel" * 2]
WORDS = [FRENCH, GERMAN, CZECH, POLISH, JAPANESE, MARKS, SIGNS, LONG]
BLANKS = [" ", " ", " ", "  ", "   "]


def composed(seed: int) -> str:
    """A subject of several languages, with blanks at every place."""
    chosen = random.Random(seed)
    words = [chosen.choice(chosen.choice(WORDS)) for _ in range(chosen.randint(1, 25))]
    text = "".join(word + chosen.choice(BLANKS) for word in words)
    ends = chosen.choice(["", " ", "  "]), chosen.choice(["", " "])
    return f"{ends[0]}{text.strip()}{ends[1]}"


def unfolded(field: str) -> str:
    """RFC 5322 2.2.3; the field's value."""
    return field.replace("\r\n", "").partition(": ")[2]


def decoded(value: str) -> str:
    """Decode by the text of RFC 2047, independently of the tested code and of Python's parser."""
    value = re.sub(
        r"(=\?[^?\s]+\?[^?\s]\?[^?\s]*\?=)\s+(?==\?[^?\s]+\?[^?\s]\?[^?\s]*\?=)", r"\1", value
    )
    return re.sub(r"=\?utf-8\?([bq])\?([^?\s]*)\?=", _one, value)


def _one(word: re.Match[str]) -> str:
    how, text = word[1], word[2]
    if how == "b":
        return base64.b64decode(text, validate=True).decode()
    found, at = bytearray(), 0
    while at < len(text):
        if text[at] == "=":
            found.append(int(text[at + 1 : at + 3], 16))
            at += 3
        else:
            found.append(0x20 if text[at] == "_" else ord(text[at]))
            at += 1
    return found.decode()  # strict: a character that is split between words is an error


def check(text: str) -> None:
    field = text_field("Subject", text)
    value = unfolded(field)
    assert decoded(value) == text
    assert str(make_header(decode_header(value))) == text
    lines = field.split("\r\n")
    assert max(map(len, lines)) <= 76
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])
    assert not re.search(r"\?==\?", field)  # glued words: refused by one large provider
    assert max(map(len, re.findall(r"=\?[^\s]*\?=", field)), default=0) <= 75
    assert field.isascii()


def test_thousands_of_composed_subjects_arrive_exactly() -> None:
    for seed in range(6_000):
        check(composed(seed))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_subject_arrives_exactly(text: str) -> None:
    check(text)


@pytest.mark.parametrize("before", range(45, 80))
@pytest.mark.parametrize("word", ["délai", "délai  ", "😀😀", "=?x?="])
def test_whatever_falls_on_the_end_of_a_line(before: int, word: str) -> None:
    check(f"{'n' * (before // 2)} {'m' * (before - before // 2)} {word} réseau")


@pytest.mark.parametrize(
    "title",
    [
        "Drucker im 3. Stock – Tür klemmt, außerdem Rückfrage offen [CHG-77] – bitte um Antwort",
        "Réunion annulée  : l’équipe réseau relance Genève – café, thé et eau à l’étage dès midi",
        "Żądanie zmiany hasła użytkownika – źródło LDAP nie odpowiada od północy, zgłoszenie pilne",
    ],
)
def test_long_subjects_of_other_languages_keep_their_blanks(title: str) -> None:
    check(title)


def test_plain_words_stay_readable() -> None:
    assert text_field("Subject", "Disk full on db-1") == "Subject: Disk full on db-1"
    long = " ".join(["word"] * 60)
    assert "=?" not in text_field("Subject", long)
    check(long)


@given(st.text(min_size=1, max_size=100).filter(str.isprintable))
@settings(max_examples=300, deadline=None)
def test_a_display_name_arrives_and_its_address_is_never_encoded(name: str) -> None:
    field = address_field("From", "jörg@example.com", name)
    value = unfolded(field)
    shown, address = value.rsplit(" ", 1)
    assert address == "<jörg@example.com>"
    if shown.startswith('"'):
        assert re.sub(r"\\(.)", r"\1", shown[1:-1]) == name
    else:
        assert decoded(shown) == name
    assert max(map(len, field.split("\r\n"))) <= 76


def test_without_a_name_there_is_an_address_only() -> None:
    assert address_field("Reply-To", "a@b.example") == "Reply-To: a@b.example"


def test_addresses_and_ids_are_never_broken() -> None:
    addresses = [f"{'a' * 60}{n}@example.com" for n in range(4)]
    field = list_field("To", addresses, ", ")
    assert field.replace("\r\n", "") == f"To: {', '.join(addresses)}"
    assert len(list_field("References", ["<" + "x" * 240 + "@example.com>"]).split("\r\n")) == 1
