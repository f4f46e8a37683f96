"""Slack accepts every message and shows its text literally, even hostile text."""

import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from slack_sdk.models.blocks import Block

from domain.notification.message import Latest, Message
from integrations.slack.blocks import content, escaped
from receivers.slack_content import fault, texts
from tests.integrations.examples import MESSAGES, message
from tests.integrations.hostile import HOSTILE, SNIPPETS

LONG = message(
    title="t" * 1_000,
    body="b" * 100_000,
    url="https://a.example/" + "p" * 2_982,
    facts=tuple((f"{number:02}" + "n" * 100, "v" * 1_000) for number in range(20)),
    event_type="e" * 100,
    entity_type="y" * 100,
    entity_id="i" * 100,
    latest=Latest("e" * 100, "l" * 1_000, datetime(2026, 11, 24, tzinfo=UTC)),
    repeated=True,
)
UNLINKED = replace(LONG, url="https://a_b.example/" + "p" * 4_000)
slow = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def blocks(said: dict[str, Any]) -> list[dict[str, Any]]:
    assert "attachments" not in said
    found: list[dict[str, Any]] = said["blocks"]
    return found


def check(made: dict[str, Any]) -> None:
    assert fault(made) is None
    every = blocks(made)
    for parsed in map(Block.parse, every):
        assert parsed is not None
        parsed.to_dict()  # raises beyond the limits it knows
    assert len(every) <= 50
    assert len(json.dumps(every, ensure_ascii=False, separators=(",", ":"))) <= 13_000
    shown = [*texts(every)]
    plain = [each for each in shown if each["type"] == "plain_text"]
    marked = [each for each in shown if each not in plain]
    read = [*(escaped(each["text"]) for each in plain), *(each["text"] for each in marked)]
    assert sum(len(each.encode("utf-16-le")) // 2 for each in read) <= 13_000
    assert all(each["emoji"] is False for each in plain)
    assert all(each["verbatim"] is True for each in marked)
    assert not [each for each in marked if re.search(r"[<>]|&(?!(amp|lt|gt);)", each["text"])]
    for block in every:
        assert len(block.get("fields", [])) <= 10
        assert len(block.get("elements", [])) <= 10


@given(MESSAGES)
@example(LONG)
@example(UNLINKED)
@example(message(title=" ", body="", url=None, facts=()))
@slow
def test_slack_takes_every_message(said: Message) -> None:
    made = content(said)
    check(made)
    assert made["text"]


@given(HOSTILE)
@slow
def test_slack_takes_every_hostile_message_and_it_is_inert(said: Message) -> None:
    made = content(said)
    check(made)
    assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", made["text"])
    strings = [made["text"], *(each["text"] for each in texts(blocks(made)))]
    assert not [
        each for each in strings if re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", each)
    ]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_escaped_text_reads_as_it_was_written(snippet: str) -> None:
    """Slack undoes these three entities and no others."""
    read = re.sub("&(amp|lt|gt);", lambda entity: html.unescape(entity[0]), escaped(snippet))
    assert read == snippet
