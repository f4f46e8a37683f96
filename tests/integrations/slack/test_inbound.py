"""Slack's interactivity: who called, and which button was pressed."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from domain.notification.event import Action
from domain.notification.inbound import VendorAction
from integrations.inbound import Call, Forged, hmac_sha256
from integrations.slack.config import SlackConfig
from integrations.slack.inbound import SlackInbound

SECRET = "0123456789abcdef" * 2
AT = 1_700_000_000
READER = SlackInbound()
# The example of docs.slack.dev, "Verifying requests from Slack".
PUBLISHED = "8f742231b10e8888abcd99yyyzzz85a5"
PUBLISHED_AT, PUBLISHED_SIGNATURE = (
    1_531_420_618,
    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
)
PUBLISHED_BODY = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    "%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def config(secret: str | None = SECRET) -> SlackConfig:
    given = {"botToken": "xoxb-1", "defaultChannel": "#ops"}
    return SlackConfig.model_validate(given | ({"signingSecret": secret} if secret else {}))


def pressed(*actions: Any, **payload: Any) -> bytes:
    said = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "jo", "name": "Jo"},
        "actions": list(actions),
        **payload,
    }
    return urlencode({"payload": json.dumps(said)}).encode()


def button(id: str, value: Any = "incident_INC-1") -> dict[str, Any]:
    return {"type": "button", "action_id": id, "value": value}


def call(body: bytes, at: int = AT, now: int = AT, secret: str = SECRET) -> Call:
    signed = f"v0:{at}:".encode() + body
    headers = {
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": f"v0={hmac_sha256(secret, signed)}",
    }
    return Call(headers, body, datetime.fromtimestamp(now, UTC))


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_a_button_is_an_action_of_a_person(action: Action) -> None:
    report = READER.read(config(), call(pressed(button(str(action)))))
    assert report.actions == (VendorAction(action, "incident_INC-1", "Jo"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload=%FF",
        b"payload=[]",
        b"\xff\xfe",
        urlencode({"payload": "[" * 50_000}).encode(),
        pressed(button("open")),
        pressed(button("acknowledge", None)),
        pressed("acknowledge", 7, None),
        pressed(button("acknowledge"), type="view_submission"),
        pressed(actions={"action_id": "acknowledge"}),
    ],
)
def test_what_is_no_button_of_ours_says_nothing(body: bytes) -> None:
    assert READER.read(config(), call(body)).actions == ()


@pytest.mark.parametrize("user", [None, [], {}, {"name": None}])
def test_a_person_without_a_name_may_act(user: Any) -> None:
    [action] = READER.read(config(), call(pressed(button("resolve"), user=user))).actions
    assert action.by == ""


def test_the_example_of_slack_is_verified() -> None:
    said = config().model_copy(update={"signing_secret": SecretStr(PUBLISHED)})
    headers = {
        "x-slack-request-timestamp": str(PUBLISHED_AT),
        "x-slack-signature": PUBLISHED_SIGNATURE,
    }
    at = datetime.fromtimestamp(PUBLISHED_AT + 299, UTC)
    assert READER.read(said, Call(headers, PUBLISHED_BODY.encode(), at)).actions == ()


def test_one_flipped_byte_of_anything_signed_is_refused() -> None:
    made = call(pressed(button("resolve")))
    for place in range(len(made.body)):
        body = bytearray(made.body)
        body[place] ^= 1
        with pytest.raises(Forged):
            READER.read(config(), Call(made.headers, bytes(body), made.at))
    for name, value in made.headers.items():
        for place in range(len(value)):
            other = value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
            with pytest.raises(Forged):
                READER.read(config(), Call({**made.headers, name: other}, made.body, made.at))


@pytest.mark.parametrize("missing", ["x-slack-request-timestamp", "x-slack-signature"])
def test_a_call_without_a_signature_or_time_is_refused(missing: str) -> None:
    made = call(pressed(button("resolve")))
    headers = {name: value for name, value in made.headers.items() if name != missing}
    with pytest.raises(Forged):
        READER.read(config(), Call(headers, made.body, made.at))


@pytest.mark.parametrize(("age", "is_taken"), [(300, True), (301, False), (-301, False)])
def test_an_old_call_is_refused(age: int, is_taken: bool) -> None:
    made = call(pressed(button("resolve")), now=AT + age)
    if is_taken:
        assert READER.read(config(), made).actions
    else:
        with pytest.raises(Forged, match="5 minutes"):
            READER.read(config(), made)


def test_another_apps_signature_is_refused() -> None:
    with pytest.raises(Forged, match="signingSecret"):
        READER.read(config(), call(pressed(button("resolve")), secret="f" * 32))


def test_a_repeated_call_has_the_same_key_whatever_its_other_headers() -> None:
    made = call(pressed(button("resolve")))
    again = Call({**made.headers, "x-slack-retry-num": "1"}, made.body, made.at)
    later = call(pressed(button("resolve")), at=AT + 1)
    keys = [READER.read(config(), each).key for each in (made, again, later)]
    assert keys[0] == keys[1] != keys[2]


def test_without_a_signing_secret_no_call_is_read() -> None:
    assert not READER.is_ready(config(None))
    assert READER.is_ready(config())
