"""Every text for Jira Cloud is valid by the published schema of its documents, and inert."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from jsonschema import Draft4Validator

from domain.notification.message import Message
from integrations.jira.adf import document
from integrations.jira.content import comment, description
from integrations.text import lines
from tests.conformance.test_slack_blocks import LONG
from tests.integrations.examples import MESSAGES, message
from tests.integrations.hostile import HOSTILE
from tests.integrations.jira.alert import text_of

slow = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@cache
def validator(shared_dir: Path) -> Any:
    return Draft4Validator(json.loads((shared_dir / "specs" / "adf-full.schema.json").read_text()))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("content", []):
        yield from nodes(each)


def check(shared_dir: Path, made: dict[str, Any]) -> None:
    """The schema takes it; line breaks in a text, which the schema takes as well, are not there."""
    validator(shared_dir).validate(made)
    for node in nodes(made):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\n\u202a-\u202e]", node.get("text", ""))


@given(said=MESSAGES)
@example(said=LONG)
@example(said=message(title=" ", body="", url=None, facts=()))
@slow
def test_the_schema_takes_every_text(shared_dir: Path, said: Message) -> None:
    check(shared_dir, document(description(said)))
    check(shared_dir, document(comment(said)))


@given(said=HOSTILE)
@slow
def test_the_schema_takes_every_hostile_text_and_it_is_inert(
    shared_dir: Path, said: Message
) -> None:
    made = document(comment(said))
    check(shared_dir, made)
    links = [mark for node in nodes(made) for mark in node.get("marks", ()) if "attrs" in mark]
    assert [each["attrs"]["href"] for each in links] == ([said.url] if links else [])
    assert {node["type"] for node in nodes(made)} <= {
        *("doc", "paragraph", "text", "hardBreak", "bulletList", "listItem")
    }


@given(said=HOSTILE)
@slow
def test_what_is_shown_is_what_was_said(said: Message) -> None:
    short = replace(said, body=said.body[:2_000], latest=None)
    assert lines(short.body).strip() in text_of(document(comment(short)))
