"""PagerDuty's webhooks: who called, and what a person did to an incident."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.notification.event import Action
from domain.notification.inbound import VendorAction
from integrations.inbound import Call, Forged, hmac_sha256
from integrations.pagerduty.config import PagerDutyConfig
from integrations.pagerduty.inbound import PagerDutyInbound

SECRET = "pd-webhook-secret"
READER = PagerDutyInbound()
PERSON = {"id": "P1", "type": "user_reference", "summary": "Jo Doe"}
KEY = "R0UT1NGKEY0FTHEEXAMPLE0000000001"


def config(secret: str | None = SECRET) -> PagerDutyConfig:
    given = {"integrationKey": KEY} | ({"webhookSecret": secret} if secret else {})
    return PagerDutyConfig.model_validate(given)


def said(type: str = "incident.acknowledged", **event: Any) -> bytes:
    data = {"id": "Q1", "type": "incident", "incident_key": "incident_INC-1", "status": "x"}
    whole = {"id": "01A", "event_type": type, "agent": PERSON, "data": data, **event}
    return json.dumps({"event": whole}).encode()


def call(body: bytes, *signatures: str) -> Call:
    given = signatures or (f"v1={hmac_sha256(SECRET, body)}",)
    return Call({"x-pagerduty-signature": ",".join(given)}, body, datetime.now(UTC))


@pytest.mark.parametrize(
    ("type", "action"),
    [
        ("incident.acknowledged", Action.ACKNOWLEDGE),
        ("incident.resolved", Action.RESOLVE),
        ("incident.reopened", Action.TRIGGER),
    ],
)
def test_what_a_person_does_is_an_action(type: str, action: Action) -> None:
    report = READER.read(config(), call(said(type)))
    assert report.key == "01A"
    assert report.actions == (VendorAction(action, "incident_INC-1", "Jo Doe"),)


@pytest.mark.parametrize(
    "agent", [{"type": "inbound_integration_reference"}, {"type": "integration_reference"}]
)
def test_what_we_have_done_ourselves_is_no_action(agent: Any) -> None:
    assert READER.read(config(), call(said(agent=agent))).actions == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"event": 7}',
        b'{"event": {"event_type": {}}}',
        b"[" * 60_000,
        said("incident.triggered"),
        said("incident.annotated"),
        said("pagey.ping", data={"message": "Hello"}),
        said(data=None),
        said(data={"incident_key": None}),
        said(data={"incident_key": 7}),
    ],
)
def test_all_else_says_nothing(body: bytes) -> None:
    report = READER.read(config(), call(body))
    assert report.actions == ()
    assert report.key


def test_one_of_several_signatures_is_enough() -> None:
    body = said()
    made = call(body, "v1=" + "0" * 64, f" v1={hmac_sha256(SECRET, body)}")
    assert READER.read(config(), made).actions


@pytest.mark.parametrize(
    "signatures", [("",), ("v1=",), ("v1=" + "0" * 64,), ("v0=" + hmac_sha256(SECRET, said()),)]
)
def test_another_signature_is_refused(signatures: tuple[str, ...]) -> None:
    with pytest.raises(Forged, match="webhookSecret"):
        READER.read(config(), call(said(), *signatures))


def test_one_flipped_byte_of_the_body_is_refused() -> None:
    made = call(said())
    for place in range(len(made.body)):
        body = bytearray(made.body)
        body[place] ^= 1
        with pytest.raises(Forged):
            READER.read(config(), Call(made.headers, bytes(body), made.at))


def test_a_call_without_a_signature_is_refused() -> None:
    with pytest.raises(Forged):
        READER.read(config(), Call({}, said(), datetime.now(UTC)))


def test_without_a_webhook_secret_no_call_is_read() -> None:
    assert not READER.is_ready(config(None))
    assert READER.is_ready(config())
