"""Jira's webhooks: who called, and which status a person gave to an issue."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from domain.notification.event import Action
from integrations.inbound import Call, Forged, hmac_sha256
from integrations.jira.config import JiraConfig
from integrations.jira.inbound import JiraInbound
from tests.integrations.examples import outgoing

READER = JiraInbound()
SECRET = "It's a Secret to Everybody"  # of the example of developer.atlassian.com, "Webhooks"
PUBLISHED = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
PERSON, OURS = {"accountId": "p-1", "displayName": "Jo"}, {"accountId": "us"}
MOVED = {"items": [{"field": "status", "from": "1", "to": "3"}]}


def config(secret: str | None = SECRET) -> JiraConfig:
    made: JiraConfig = outgoing("jira", "https://acme.atlassian.net").config
    return made.model_copy(update={"webhook_secret": SecretStr(secret) if secret else None})


def said(category: str = "done", **event: Any) -> bytes:
    status = {"id": "3", "name": "x", "statusCategory": {"key": category}}
    fields = {"status": status, "creator": OURS, "labels": []}
    whole = {
        "webhookEvent": "jira:issue_updated",
        "user": PERSON,
        "issue": {"id": "10001", "key": "OPS-1", "fields": fields},
        "changelog": MOVED,
        **event,
    }
    return json.dumps(whole).encode()


def call(body: bytes, signature: str | None = None) -> Call:
    given = f"sha256={hmac_sha256(SECRET, body)}" if signature is None else signature
    return Call({"x-hub-signature": given}, body, datetime.now(UTC))


@pytest.mark.parametrize(
    ("category", "actions"),
    [
        ("new", [Action.TRIGGER]),
        ("indeterminate", [Action.TRIGGER, Action.ACKNOWLEDGE]),
        ("done", [Action.RESOLVE]),
        ("undefined", []),
    ],
)
def test_a_status_that_a_person_gives_is_an_action(category: str, actions: list[Action]) -> None:
    found = READER.read(config(), call(said(category))).actions
    assert [each.action for each in found] == actions
    reference = (("site", config().site), ("id", "10001"))
    assert all((each.by, each.reference) == ("Jo", reference) for each in found)


@pytest.mark.parametrize("person", [OURS, {"accountId": "us", "displayName": "FireLater"}])
def test_what_we_have_done_ourselves_is_no_action(person: Any) -> None:
    assert READER.read(config(), call(said(user=person))).actions == ()


def test_accounts_of_data_center_are_compared_by_key_or_name() -> None:
    status = {"id": "3", "name": "x", "statusCategory": {"key": "done"}}
    for names in ({"key": "JIRAUSER1"}, {"name": "firelater"}):
        issue = {"id": "1", "key": "OPS-1", "fields": {"status": status, "creator": names}}
        assert READER.read(config(), call(said(issue=issue, user=names))).actions == ()
        assert READER.read(config(), call(said(issue=issue, user=PERSON))).actions


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 60_000,
        said(webhookEvent="jira:issue_created"),
        said(webhookEvent={}),
        said(issue=None),
        said(issue={"id": "10001", "key": "OPS-1", "fields": {"status": None}}),
        said(changelog=None),
        said(changelog={"items": [None, "x", {"field": "assignee"}]}),
    ],
)
def test_all_else_says_nothing(body: bytes) -> None:
    assert READER.read(config(), call(body)).actions == ()


def test_the_example_of_atlassian_is_verified() -> None:
    assert READER.read(config(), call(b"Hello World!", PUBLISHED)).actions == ()


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=" + "0" * 64, PUBLISHED])
def test_another_signature_is_refused(signature: str) -> None:
    with pytest.raises(Forged, match="webhookSecret"):
        READER.read(config(), call(said(), signature))


def test_one_flipped_byte_of_the_body_is_refused() -> None:
    made = call(said())
    for place in range(len(made.body)):
        body = bytearray(made.body)
        body[place] ^= 1
        with pytest.raises(Forged):
            READER.read(config(), Call(made.headers, bytes(body), made.at))


def test_a_repeated_call_has_the_same_key_whatever_its_other_headers() -> None:
    made = call(said())
    other = {**made.headers, "x-atlassian-webhook-identifier": "another"}
    assert READER.read(config(), made).key == READER.read(config(), Call(other, *_rest(made))).key


def _rest(made: Call) -> tuple[bytes, datetime]:
    return made.body, made.at


def test_without_a_webhook_secret_no_call_is_read() -> None:
    assert not READER.is_ready(config(None))
    assert READER.is_ready(config())
