"""Slack's interactivity: the buttons of our messages.

Source: docs.slack.dev, "Verifying requests from Slack" and "Handling user interaction". Slack signs
the time with the body, and wants an answer within 3 s. A request is refused when it is 5 minutes
old.
"""

from collections.abc import Iterator
from urllib.parse import parse_qs

from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.inbound import VendorAction
from integrations.inbound import Call, Forged, Report, digest, hmac_sha256, is_among
from integrations.reply import json_of
from integrations.slack.config import SlackConfig

_SECONDS = 300
_BUTTONS = {"acknowledge": Action.ACKNOWLEDGE, "resolve": Action.RESOLVE}


class SlackInbound:
    """Reads the calls of an app's interactivity. `shows_own` is False, as a button changes nothing
    in its message: we edit it."""

    shows_own = False

    def is_ready(self, config: SlackConfig) -> bool:
        return config.signing_secret is not None

    def read(self, config: SlackConfig, call: Call) -> Report:
        assert config.signing_secret is not None, "the caller has asked `is_ready`"
        time = call.headers.get("x-slack-request-timestamp", "")
        signed = f"v0:{time}:".encode() + call.body
        expected = f"v0={hmac_sha256(config.signing_secret.get_secret_value(), signed)}"
        if not is_among(expected, [call.headers.get("x-slack-signature", "")]):
            raise Forged("X-Slack-Signature does not fit signingSecret")
        if not time.isdecimal() or abs(int(time) - call.at.timestamp()) > _SECONDS:
            raise Forged("the request is older than 5 minutes")
        return Report(digest(signed), tuple(_actions_of(call.body)))


def _actions_of(body: bytes) -> Iterator[VendorAction]:
    payload = _payload(body)
    pressed = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(pressed, list):
        return
    for each in pressed:
        action = _BUTTONS.get(str(each.get("action_id"))) if isinstance(each, dict) else None
        if action is not None and isinstance(each.get("value"), str):
            yield VendorAction(action, each["value"], _user(payload))


def _payload(body: bytes) -> Json:
    """The JSON in the form's field `payload`; empty if there is none."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=20)
    except ValueError:
        return {}
    return json_of(fields.get("payload", [""])[0].encode())


def _user(payload: Json) -> str:
    user = payload.get("user")
    names = user if isinstance(user, dict) else {}
    return str(names.get("name") or names.get("username") or names.get("id") or "")
