"""The demo's last part: people act on the incident in Slack and PagerDuty, and every tool shows it.

There is no Slack and no PagerDuty here, so the demo calls the service as they would, and signs the
calls with the secrets that the integrations were given.
"""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from rich.console import Console
from rich.table import Table

from commands.client import Api, Json, Refused
from commands.demo_received import INCIDENT

_SIGNING, _WEBHOOK = "0123456789abcdef" * 2, "webhook-secret-of-the-demo"
CALLED_WITH: dict[str, Json] = {
    "slack": {"signingSecret": _SIGNING},
    "pagerduty": {"webhookSecret": _WEBHOOK},
}
_WAIT_SECONDS = 30


def act(api: Api, inbound: dict[str, str], receivers: Json, console: Console) -> None:
    """Acknowledge the incident in Slack, resolve it in PagerDuty, and show what the tools got.

    `inbound` has the URL that each vendor calls. Raises Refused if a tool is not told.
    """
    button = _button(receivers["slack"]["received"])
    _press(inbound["slack"], button)
    _told(api, "incident.acknowledged")
    _report(inbound["pagerduty"], button["value"])
    _told(api, "incident.resolved")
    table = Table("tool", "acknowledged in Slack by Kim", "resolved in PagerDuty by Jo")
    for row in _shown(receivers).items():
        table.add_row(row[0], *row[1])
    console.print(table)


def _button(received_url: str) -> Json:
    """The button *Acknowledge* of the message that Slack got."""
    for each in reversed(_received(received_url)):
        for block in each.get("blocks", ()):
            for element in block.get("elements", ()):
                if element.get("action_id") == "acknowledge":
                    found: Json = element
                    return found
    raise Refused("Slack should have received a message with a button")


def _received(url: str) -> list[Json]:
    """The bodies of all requests that a receiver got."""
    listed = httpx.get(url, trust_env=False).json()
    return [json.loads(each["body"]) for each in listed if each["body"][:1] == "{"]


def _press(url: str, button: Json) -> None:
    said = {"type": "block_actions", "user": {"id": "U1", "name": "Kim"}, "actions": [button]}
    body, at = urlencode({"payload": json.dumps(said)}), str(int(time.time()))
    signature = _signature(_SIGNING, f"v0:{at}:{body}")
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signature}"}
    _call(url, body, headers)


def _report(url: str, alert_key: str) -> None:
    event = {
        "id": uuid4().hex,
        "event_type": "incident.resolved",
        "agent": {"type": "user_reference", "summary": "Jo"},
        "data": {"type": "incident", "incident_key": alert_key},
    }
    body = json.dumps({"event": event})
    _call(url, body, {"X-PagerDuty-Signature": f"v1={_signature(_WEBHOOK, body)}"})


def _signature(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _call(url: str, body: str, headers: dict[str, str]) -> None:
    answer = httpx.post(url, content=body, headers=headers, trust_env=False)
    if answer.status_code != 200 or answer.json() != {"accepted": 1}:
        raise Refused(f"{url} answered {answer.status_code} {answer.text}")


def _told(api: Api, type: str) -> None:
    """Wait until every delivery of the incident's event of this type is over."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        events = api.get("/v1/notifications", eventType=type)["data"]
        deliveries = [each for event in events for each in event["deliveries"]]
        if deliveries and all(each["completedAt"] for each in deliveries):
            return
        time.sleep(0.05)
    raise Refused(f"after {_WAIT_SECONDS} s the event {type} of {INCIDENT} is not delivered")


def _shown(receivers: Json) -> dict[str, tuple[str, str]]:
    """What the tools got of both actions, in words."""
    slack = [each for each in _received(receivers["slack"]["received"]) if "blocks" in each]
    edits = [each["blocks"][1]["text"]["text"] for each in slack if "ts" in each]
    pages = [each.get("event_action") for each in _received(receivers["pagerduty"]["received"])]
    hooks = [_type(each) for each in _received(receivers["generic_webhook"]["received"])]
    if len(edits) != 2 or pages[-1] != "acknowledge" or hooks[-1] != "incident.resolved":
        raise Refused(f"the tools should have been told of both, and got {edits} {pages} {hooks}")
    return {
        "Slack (the message, edited)": (edits[0], edits[1]),
        "PagerDuty": ("acknowledge", "it was done there: nothing sent"),
        "Webhook": (hooks[-2], hooks[-1]),
    }


def _type(body: Json) -> Any:
    return body.get("type")
