"""Every card is valid by the published schemas and shows its text literally."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from jsonschema import Draft6Validator, Draft202012Validator

from domain.notification.message import Message
from integrations.teams.card import CARD_BYTES, envelope
from integrations.text import compact, lines, one_line
from receivers.teams import CARD_BYTES as TEAMS_BYTES
from tests.conformance.test_slack_blocks import LONG
from tests.integrations.examples import MESSAGES, message
from tests.integrations.hostile import HOSTILE, SNIPPETS

slow = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


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
    content = copy.deepcopy(attachment["content"])
    assert content.pop("msteams") == {"width": "Full"}  # Teams' own member, which the schema lacks
    card.validate(content)
    assert len(json.dumps(compact(made).decode(), ensure_ascii=False).encode()) <= CARD_BYTES
    assert CARD_BYTES < TEAMS_BYTES


def texts(made: dict[str, Any]) -> Iterator[str]:
    """Everything that a card says. All of it is in text runs: the rest is read as Markdown."""
    for element in made["attachments"][0]["content"]["body"]:
        assert element["type"] == "RichTextBlock"
        for run in element["inlines"]:
            assert run["type"] == "TextRun"
            yield run["text"]


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
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)


@given(said=HOSTILE)
@slow
def test_what_is_shown_is_what_was_said(said: Message) -> None:
    short = replace(said, title=said.title[:300], body=said.body[:2_000], latest=None)
    title, body, *_ = [*texts(envelope(short)), ""]
    assert title == (one_line(short.title) or short.event_type)
    if lines(short.body).strip():
        assert words(body) == words(lines(short.body))


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_each_snippet_is_shown_as_it_is(snippet: str) -> None:
    for text in (f"a{snippet}b", f"x{snippet}\n{snippet} x"):
        _, body, *_ = texts(envelope(message(body=text)))
        assert words(body) == words(lines(text))
