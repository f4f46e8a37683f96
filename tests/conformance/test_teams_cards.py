"""Every card is one that the published schemas take, and Markdown shows its text as it is."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from jsonschema import Draft6Validator, Draft202012Validator
from markdown_it import MarkdownIt

from channels.teams_card import CARD_BYTES, envelope, markdown
from channels.text import compact, lines, one_line
from domain.message import Message
from tests.channels.examples import MESSAGES, message
from tests.channels.hostile import HOSTILE, SNIPPETS
from tests.conformance.test_slack_blocks import LONG
from tests.receivers.teams import CARD_BYTES as TEAMS_BYTES

slow = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
# CommonMark, as the renderers in Teams begin with, and more than they have beside it.
MARKDOWN = MarkdownIt("commonmark").enable(["strikethrough", "table"])
INERT = {"paragraph_open", "inline", "paragraph_close"}


@cache
def validators(shared_dir: Path) -> tuple[Any, Any]:
    specs = shared_dir / "specs"
    card = json.loads((specs / "adaptive-card-1.4.schema.json").read_text())
    around = json.loads((specs / "overlays/teams-workflow-envelope.schema.json").read_text())
    return Draft6Validator(card), Draft202012Validator(around)


def check(shared_dir: Path, made: dict[str, Any]) -> None:
    card, around = validators(shared_dir)
    around.validate(made)
    [attachment] = made["attachments"]
    assert attachment["contentUrl"] is None
    card.validate(attachment["content"])
    assert len(compact(made)) <= CARD_BYTES < 25_000 < TEAMS_BYTES


def texts(made: dict[str, Any]) -> Iterator[str]:
    """Everything of a card that is read as Markdown."""
    for element in made["attachments"][0]["content"]["body"]:
        for fact in element.get("facts", []):
            yield from (fact["title"], fact["value"])
        if "text" in element:
            yield element["text"]


def shown(text: str) -> str:
    """What Markdown makes of it, which must be paragraphs of plain text."""
    tokens = MARKDOWN.parse(text)
    assert {token.type for token in tokens} <= INERT
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "text_special", "softbreak"}
    return "\n".join(
        "".join(child.content for child in token.children or [])
        for token in tokens
        if token.type == "inline"
    )


def words(text: str) -> list[str]:
    return re.split(r"[ \t\n\u00a0]+", text.strip(" \t\n\u00a0"))


@given(said=MESSAGES)
@example(said=LONG)
@example(said=message(title=" ", body="", url=None, facts=()))
@slow
def test_the_schemas_take_every_card(shared_dir: Path, said: Message) -> None:
    check(shared_dir, envelope(said))


@given(said=HOSTILE)
@slow
def test_the_schemas_take_every_hostile_card_and_it_is_inert(
    shared_dir: Path, said: Message
) -> None:
    made = envelope(said)
    check(shared_dir, made)
    for text in texts(made):
        shown(text)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)


@given(said=HOSTILE)
@slow
def test_markdown_shows_what_was_said(said: Message) -> None:
    title, body = one_line(said.title), lines(said.body)[:2_000]
    assert words(shown(markdown(title))) == words(title)
    assert words(shown(markdown(body))) == words(body)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_each_snippet_is_shown_as_it_is(snippet: str) -> None:
    for text in (snippet, f"a{snippet}b", f"{snippet}\n{snippet} x"):
        plain = lines(text)
        assert words(shown(markdown(plain))) == words(plain)
