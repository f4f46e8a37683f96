"""Opsgenie's webhooks: who called, and what a person did to an alert."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from domain.notification.event import Action
from integrations.inbound import Call, Forged
from integrations.opsgenie.config import OpsgenieConfig
from integrations.opsgenie.inbound import HEADER, OpsgenieInbound
from tests.integrations.examples import outgoing

READER = OpsgenieInbound()
SECRET = "secret-of-the-webhook"


def config(secret: str | None = SECRET) -> OpsgenieConfig:
    made: OpsgenieConfig = outgoing("opsgenie", "https://api.opsgenie.example").config
    return made.model_copy(update={"webhook_secret": SecretStr(secret) if secret else None})


def said(action: Any = "Acknowledge", **more: Any) -> bytes:
    whole = {
        "source": {"name": "", "type": "web"},
        "alert": {"alias": "incident_INC-1", "username": "jo@acme.example", "alertId": "a-1"},
        "action": action,
        "integrationName": "FireLater",
        **more,
    }
    return json.dumps(whole).encode()


def call(body: bytes, secret: str = SECRET) -> Call:
    return Call({HEADER: secret}, body, datetime.now(UTC))


@pytest.mark.parametrize(
    ("name", "action"), [("Acknowledge", Action.ACKNOWLEDGE), ("Close", Action.RESOLVE)]
)
def test_what_a_person_does_is_an_action(name: str, action: Action) -> None:
    [found] = READER.read(config(), call(said(name))).actions
    assert (found.action, found.by) == (action, "jo@acme.example")
    assert dict(found.reference) == {"site": config().base, "alias": "incident_INC-1"}


@pytest.mark.parametrize("type", ["API", "api"])
def test_what_came_through_the_api_is_no_action(type: str) -> None:
    assert READER.read(config(), call(said(source={"type": type}))).actions == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 60_000,
        said("Create"),
        said("AddNote"),
        said({}),
        said(alert=None),
        said(alert={"alias": 7}),
    ],
)
def test_all_else_says_nothing(body: bytes) -> None:
    assert READER.read(config(), call(body)).actions == ()


@pytest.mark.parametrize("secret", ["", SECRET[:-1], SECRET + "x", SECRET.upper()])
def test_another_secret_is_refused(secret: str) -> None:
    with pytest.raises(Forged, match="webhookSecret"):
        READER.read(config(), call(said(), secret))


def test_a_call_without_the_header_is_refused() -> None:
    with pytest.raises(Forged):
        READER.read(config(), Call({}, said(), datetime.now(UTC)))


def test_without_a_webhook_secret_no_call_is_read() -> None:
    assert not READER.is_ready(config(None))
    assert READER.is_ready(config())
