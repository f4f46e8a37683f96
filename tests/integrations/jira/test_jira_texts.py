"""Jira's two markups: what is said, how long it may be, and that no text of an event is markup."""

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from domain.notification.message import Message
from integrations.jira import adf, wiki
from integrations.jira.content import (
    SUMMARY_UNITS,
    TEXT_UNITS,
    comment,
    description,
    size,
    summary,
    units,
)
from integrations.text import lines
from tests.integrations.examples import MESSAGES, message
from tests.integrations.hostile import HOSTILE, SNIPPETS
from tests.integrations.jira.alert import text_of

slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What the renderer of Data Center (com.atlassian.renderer.v2) takes for markup before the pass of
# backslashes, and after it. Phrases begin and end beside characters that are no letters or digits.
BEFORE = {
    "macro": r"(?<!\\)\{",
    "heading": r"(?m)^\s*h[1-6]\.",
    "quotation": r"(?m)^\s*bq\.",
    "ruler": r"(?m)^\s*-{4,}\s*$",
    "list": r"(?m)^\s*[*#-]+\s",
    "table": r"(?m)^\s*\|",
    "link": r"(?<!\\)\[",
    "url": r"(?<![A-Za-z0-9])(https?|ftp|mailto|nntp|news|irc|file|callto|skype)(://|:)(?=\S)",
    "server": r"\\\\",
}
_START, _END = r"(?<![^\W_])", r"(?![^\W_])"
AFTER = {
    **{
        mark: rf"{_START}{re.escape(mark)}[^\s{re.escape(mark)}].*?{re.escape(mark)}{_END}"
        for mark in ("*", "_", "-", "+", "^", "~")
    },
    "citation": r"\?\?.+?\?\?",
    "code": r"\{\{.+?\}\}",
    "image": r"![^\s!].*!",
    "emoticon": r":-?[)(DPp|]|;-?\)|\([ynix/!+?*-]\)",
    "dash": r"(?m)(^|\s)-{2,3}(\s|$)",
}
_BACKSLASH = re.compile(r"(?<!\\)\\([-#*_+?^~|%{}\[\]()!@])")
_BRACKETS = "{}[]"


def after_backslashes(text: str) -> str:
    """As the renderer's pass of backslashes leaves it."""
    return _BACKSLASH.sub(
        lambda each: each[1] if each[1] in _BRACKETS else f"&#{ord(each[1])};", text
    )


def markup_in(text: str) -> list[str]:
    after = after_backslashes(text)
    found = [name for name, form in BEFORE.items() if re.search(form, text)]
    return found + [name for name, form in AFTER.items() if re.search(form, after)]


def shown(text: str) -> str:
    """What people read: an entity as its character, and all else as it is."""
    entity = re.compile(r"&[#A-Za-z0-9][A-Za-z0-9]{1,7};")
    return entity.sub(lambda each: html.unescape(each[0]), after_backslashes(text))


@pytest.mark.parametrize(
    "markup",
    [
        *("{code}x{code}", "h1. x", " bq. x", "----", "* x", "- x", "# x", "| x |", "[x|http://y]"),
        *("[~jo]", "https://evil.example", "mailto:a@b.example", "\\\\server\\x", "*x*", "_x_"),
        *("-x-", "+x+", "^x^", "~x~", "??x??", "{{x}}", "!x.png!", ":)", ":D", "(y)", "a -- b"),
    ],
)
def test_the_oracle_of_markup_sees_markup_and_none_in_what_is_escaped(markup: str) -> None:
    assert markup_in(markup)
    for text in (markup, f"a {markup} b", f"x\n{markup}\ny"):
        assert markup_in(wiki.escaped(text)) == []
        assert shown(wiki.escaped(text)) == text


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_each_snippet_is_shown_as_it_is(snippet: str) -> None:
    for text in (f"a{snippet}b", f"x{snippet}\n{snippet} x", snippet * 3):
        clean = lines(text)
        assert markup_in(wiki.escaped(clean)) == []
        assert shown(wiki.escaped(clean)) == clean


@given(said=HOSTILE)
@slow
def test_no_text_of_an_event_is_markup(said: Message) -> None:
    for text in (lines(said.title), lines(said.body)[:3_000]):
        assert markup_in(wiki.escaped(text)) == []
        assert shown(wiki.escaped(text)) == text


def test_ordinary_words_stay_as_they_are() -> None:
    text = "INC-1042 on db-1: snake_case at 10:15, 98 of 100 GB. See /var/log; it's full."
    assert wiki.escaped(text) == text


def test_wiki_markup_is_ours() -> None:
    said = message(body="*Who* can [look]?", facts=(("host", "db-1"), ("a*", "b")))
    assert wiki.document(comment(said)) == (
        "Database is slow\n\n"
        r"\*Who\* can \[look\]\?"
        "\n\n* host: db-1\n* a\\*: b\n\n"
        "incident INC-1042 · incident.created · error · 2026-11-23 10:00:00 UTC\n\n"
        "[View in FireLater|https://firelater.example/incidents/INC-1042]"
    )


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://a.example/x[1]|y", "[View in FireLater|https://a.example/x%5B1%5D%7Cy]"),
        ("https://[2001:db8::1]/x", r"https&#58;//\[2001&#58;db8&#58;:1\]/x"),
    ],
)
def test_a_link_cannot_leave_its_brackets(url: str, written: str) -> None:
    assert wiki.document(comment(message(url=url))).endswith(written)


def test_a_document_has_a_node_for_each_line() -> None:
    said = message(body="one\n\ntwo", facts=(), url=None)
    assert adf.document(description(said))["content"][0] == {
        "type": "paragraph",
        "content": [
            {"type": "text", "text": "one"},
            {"type": "hardBreak"},
            {"type": "hardBreak"},
            {"type": "text", "text": "two"},
        ],
    }


@pytest.mark.parametrize("markup", [adf, wiki])
def test_a_title_is_repeated_where_the_summary_cuts_it(markup: Any) -> None:
    short, long = message(title="x" * 100), message(title="x" * 300)
    assert "x" * 100 not in text_of(markup.document(description(short)))
    assert "x" * 300 in text_of(markup.document(description(long)))
    assert summary(long) == "x" * (SUMMARY_UNITS - 1) + "…"


@pytest.mark.parametrize(
    "body", ["x" * 100_000, "é\n" * 50_000, "{*" * 50_000, "漢" * 100_000, '"' * 99_999]
)
def test_a_long_body_is_cut_to_fit(body: str) -> None:
    said = comment(message(body=body))
    document, text = adf.document(said), wiki.document(said)
    assert TEXT_UNITS * 0.9 < size(document) <= TEXT_UNITS
    assert TEXT_UNITS * 0.4 < units(text) <= TEXT_UNITS
    assert "View in FireLater" in text
    assert "…" in text


@given(said=MESSAGES)
@slow
def test_every_message_fits(said: Message) -> None:
    worst = replace(said, facts=tuple((f"{n}{'{' * 200}", "|" * 900) for n in range(20)))
    for each in (said, worst):
        assert size(adf.document(comment(each))) <= TEXT_UNITS
        assert units(wiki.document(description(each))) <= TEXT_UNITS
        assert 0 < units(summary(each)) <= SUMMARY_UNITS
        assert summary(each).isprintable() or "\n" not in summary(each)
