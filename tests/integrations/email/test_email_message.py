"""The content of a mail and its form on the wire: threads, notes, links, lines."""

import hashlib
import quopri
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.notification.event import Severity
from domain.notification.message import Latest, Message
from integrations.email.body import quoted_printable
from integrations.email.config import EmailConfig
from integrations.email.message import envelope, mime
from tests.integrations.email.mailing import MESSAGE, SENDER

CONFIG = EmailConfig.model_validate(
    {"host": "mail.example.com", "fromAddress": SENDER, "to": ["ops@example.com"]}
)
LATEST = Latest("incident.resolved", "Disk is <fine>", datetime(2026, 11, 24, 13, tzinfo=UTC))


def mail(message: Message) -> bytes:
    return mime(envelope(message, CONFIG, CONFIG.to), [*CONFIG.to])


def subject(**changes: object) -> str:
    return str(envelope(replace(MESSAGE, **changes), CONFIG, CONFIG.to)["headers"]["Subject"])  # type: ignore[arg-type]


def parts(content: bytes) -> tuple[str, str]:
    parsed = message_from_bytes(content, policy=SMTP)
    text, html = (part.get_content().replace("\r\n", "\n") for part in parsed.iter_parts())
    return text, html


# Threads


def base_subject(text: str) -> str:
    """RFC 5256 2.1: the part of a subject by which clients thread."""
    while True:
        before = text
        text = re.sub(r"(?i)\s*\(fwd\)\s*$", "", text).strip()
        text = re.sub(r"(?i)^(\[[^\[\]]*\]\s*)*(re|fwd?)\s*(\[[^\[\]]*\]\s*)?:\s*", "", text)
        without = re.sub(r"^\[[^\[\]]*\]\s*", "", text)
        text = without or text
        if text == before:
            return text


@pytest.mark.parametrize(
    ("title", "first", "second"),
    [
        ("Printer is offline", ("incident", "INC7"), ("incident", "INC8")),
        ("[Site B] Printer is offline", ("incident", "INC7"), ("incident", "INC70")),
        ("[INC7] Printer is offline", ("incident", "INC7"), ("incident", "INC8")),
        ("7 printers are offline", ("incident", "7"), ("change", "7")),
        ("Re: Printer", ("incident", "INC7"), ("problem", "INC8")),
        ("INC7 and INC8 have one cause", ("incident", "INC7"), ("incident", "INC8")),
    ],
)
@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.INFO])
def test_two_entities_of_one_title_stay_two_threads(
    title: str, first: tuple[str, str], second: tuple[str, str], severity: Severity
) -> None:
    subjects = {
        base_subject(subject(title=title, entity_type=kind, entity_id=id, severity=severity))
        for kind, id in (first, second)
    }
    assert len(subjects) == 2
    headers = [
        envelope(replace(MESSAGE, alert_key=f"{kind}_{id}"), CONFIG, CONFIG.to)["headers"]
        for kind, id in (first, second)
    ]
    assert headers[0]["References"] != headers[1]["References"]


def test_severity_does_not_part_a_thread() -> None:
    usual, urgent = (base_subject(subject(severity=each)) for each in ("error", "critical"))
    assert usual == urgent == "incident INC1: Disk full on db-1"


def test_an_id_that_the_title_says_is_not_said_twice() -> None:
    assert subject(title="INC1 needs you") == "INC1 needs you"
    assert subject(title="INC10 needs you") == "incident INC1: INC10 needs you"


def test_an_event_of_no_entity_refers_to_nothing() -> None:
    alone = replace(MESSAGE, entity_type=None, entity_id=None, alert_key="n-1")
    headers = envelope(alone, CONFIG, CONFIG.to)["headers"]
    assert headers["Subject"] == "Disk full on db-1"
    assert not {"References", "In-Reply-To"} & headers.keys()


def test_two_senders_share_no_thread() -> None:
    other = CONFIG.model_copy(update={"from_address": "other@firelater.example"})
    first, second = (
        envelope(MESSAGE, config, config.to)["headers"]["References"] for config in (CONFIG, other)
    )
    assert first != second


# Notes


def test_a_late_mail_says_what_is_the_latest() -> None:
    text, html = parts(mail(replace(MESSAGE, latest=LATEST)))
    for shown, title in ((text, "Disk is <fine>"), (html, "Disk is &lt;fine&gt;")):
        assert "this happened at 2026-11-24 12:00:00 UTC" in shown
        assert f"incident.resolved at 2026-11-24 13:00:00 UTC: {title}" in shown


def test_a_mail_that_may_have_arrived_says_so() -> None:
    for shown in parts(mail(replace(MESSAGE, repeated=True))):
        assert "may have arrived already" in shown
    for shown in parts(mail(MESSAGE)):
        assert "already" not in shown
        assert "Late" not in shown


def test_a_note_cannot_be_broken_out_of() -> None:
    latest = replace(LATEST, title="<script>\r\nBcc: x", event_type="a<b>")
    _, html = parts(mail(replace(MESSAGE, latest=latest, body="<" * 100_000)))
    assert "<script" not in html
    assert "a<b>" not in html
    assert len(html.encode()) <= 100_000


# Links


@pytest.mark.parametrize(
    "url",
    [
        "https://firelater.example/incidents/INC1?a=1",
        "https://firelater.example/" + "x" * 3_000,
        "https://wiki_internal.example/a b",
        "HTTPS://firelater.example/A",
        "https://bücher.example/störung",
    ],
)
def test_a_link_is_there_at_least_as_text(url: str) -> None:
    text, html = parts(mail(replace(MESSAGE, url=url)))
    assert url in text
    assert "Open</a>" in html or url[:1_000] in html


# Lines


@pytest.mark.parametrize(
    "body",
    [
        "From here on\nFrom there",
        ".\n..\n.hidden",
        "word " * 400 + "From the end",
        "x" * 71 + " From " * 90,
        " blank at the end \n\ttab\t\n",
        "=46rom=\n=",
        "ü" * 5_000 + "\nFrom",
        "\n\n\n",
    ],
)
def test_no_line_on_the_wire_tempts_anybody_to_change_it(body: str) -> None:
    content = mail(replace(MESSAGE, body=body, title="From me", facts=(("From", "x"),)))
    lines = content.split(b"\r\n")
    _, lines = lines[: lines.index(b"")], lines[lines.index(b"") :]
    assert not [line for line in lines if line.startswith((b"From ", b".", b">From "))]
    assert max(map(len, lines)) <= 78
    assert not [line for line in lines if line != line.rstrip()]
    assert content.isascii()
    assert body.strip("\n") in parts(content)[0]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t")))
@settings(deadline=None)
def test_quoted_printable_gives_every_text_back(text: str) -> None:
    packed = quoted_printable(text)
    assert quopri.decodestring(packed).replace(b"\r\n", b"\n") == f"{text}\n".encode()
    assert all(len(line) <= 76 for line in packed.split(b"\r\n"))
    assert not re.search(rb"(?m)^(From |\.)", packed)


def test_the_bytes_are_the_same_on_every_python() -> None:
    """They do not depend on Python's email package. (3.11 wrote the expected bytes.)"""
    message = replace(MESSAGE, title="Störung: Gerät – réseau délai " * 5, body="From ü\n.\n" * 9)
    assert hashlib.sha256(mail(message)).hexdigest()[:16] == "f1a739686afd5a9c"
