"""PagerDuty on this machine: Events API v2 with its alerts, and the REST API's abilities.

After developer.pagerduty.com, "Events API v2 overview". A test may name the keys that exist
(`keys`, `rest_keys`); else any key of the right form does.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web

from receivers.arrivals import Window
from receivers.receiver import Json, Receiver

_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")
_BYTES = 512 * 1_024
_WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class Alert:
    """An alert that events of one `dedup_key` have made; `triggers` counts its trigger events."""

    routing_key: str
    dedup_key: str
    payload: Json
    state: str = "triggered"
    triggers: int = 1


@dataclass(slots=True)
class _Answer:
    status: int
    body: Json = field(default_factory=dict)


class PagerDutyReceiver(Receiver):
    """`per_minute` limits the events of a key in any 60 seconds, as the vendor does at 120."""

    kind = "pagerduty"

    def __init__(
        self,
        keys: frozenset[str] | None = None,
        rest_keys: frozenset[str] | None = None,
        per_minute: int | None = None,
    ) -> None:
        super().__init__()
        self.keys, self.rest_keys = keys, rest_keys
        self.alerts: list[Alert] = []
        self.dropped: list[Json] = []  # acknowledgements and resolves of nothing open
        self._windows: defaultdict[str, Window] = defaultdict(  # by key
            lambda: Window(per_minute, _WINDOW_SECONDS)
        )

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        match request.method, request.path:
            case "POST", "/v2/enqueue":
                answer = self.enqueue(body)
            case "GET", "/abilities":
                answer = self._abilities(request.headers.get("Authorization", ""))
            case _:
                answer = _Answer(404, {"error": {"message": "Not Found", "code": 2100}})
        return web.json_response(answer.body, status=answer.status)

    def open_alert(self, routing_key: str, dedup_key: str) -> Alert | None:
        """The open alert of a key, if there is one: a trigger opens another once it is resolved."""
        alerts = [
            alert
            for alert in self.alerts
            if (alert.routing_key, alert.dedup_key) == (routing_key, dedup_key)
            and alert.state != "resolved"
        ]
        return alerts[0] if alerts else None

    def enqueue(self, body: bytes) -> _Answer:
        """Do what an event says; returns what the vendor answers to it."""
        if len(body) > _BYTES:
            return _Answer(413, {"status": "payload too large", "message": "Over 512 KB"})
        try:
            event = json.loads(body)
        except ValueError:
            return _invalid("JSON is not valid")
        if not isinstance(event, dict):
            return _invalid("Event is not an object")
        errors = _errors(event) or self._key_errors(event["routing_key"])
        if errors:
            return _invalid(*errors)
        if not self._windows[event["routing_key"]].takes():
            message = "Requests for this service are arriving too quickly.  Please retry later."
            return _Answer(429, {"status": "throttle exceeded", "message": message})
        dedup_key = event.get("dedup_key") or uuid4().hex
        self._apply(event, dedup_key)
        said = {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
        return _Answer(202, said)

    def _key_errors(self, key: str) -> list[str]:
        return ["Invalid routing key"] if self.keys is not None and key not in self.keys else []

    def _apply(self, event: Json, dedup_key: str) -> None:
        alert = self.open_alert(event["routing_key"], dedup_key)
        match event["event_action"], alert:
            case "trigger", None:
                self.alerts.append(Alert(event["routing_key"], dedup_key, event["payload"]))
            case "trigger", Alert():
                alert.payload = event["payload"]
                alert.triggers += 1
            case _, None:
                self.dropped.append(event)
            case action, Alert():
                alert.state = f"{action}d"

    def _abilities(self, authorization: str) -> _Answer:
        scheme, _, key = authorization.partition("=")
        if scheme != "Token token" or not key:
            return _unauthorised("No authentication token was supplied")
        if self.rest_keys is not None and key not in self.rest_keys:
            return _unauthorised("Invalid token")
        return _Answer(200, {"abilities": ["teams", "urgencies", "event_rules"]})


def _invalid(*errors: str) -> _Answer:
    said = {"status": "invalid event", "message": "Event object is invalid"}
    return _Answer(400, {**said, "errors": list(errors)})


def _unauthorised(reason: str) -> _Answer:
    error = {"message": "Unauthorized", "code": 2006, "errors": [reason]}
    return _Answer(401, {"error": error})


def _errors(event: Json) -> list[str]:
    """What is wrong with an event, apart from whether its key exists."""
    errors = list(_key_form(event.get("routing_key")))
    if event.get("event_action") not in _ACTIONS:
        errors.append("'event_action' must be one of trigger, acknowledge, resolve")
    dedup_key = event.get("dedup_key")
    if dedup_key is None and event.get("event_action") in _ACTIONS[1:]:
        errors.append("'dedup_key' is missing or blank")
    if dedup_key is not None and not isinstance(dedup_key, str):
        errors.append("'dedup_key' must be a string")
    if isinstance(dedup_key, str) and len(dedup_key) > 255:
        errors.append("Length of 'dedup_key' is incorrect (should be at most 255 characters)")
    if event.get("event_action") == "trigger":
        errors += _payload_errors(event.get("payload"))
    return errors + _link_errors(event.get("links", []))


def _key_form(key: Any) -> list[str]:
    if not isinstance(key, str) or not key:
        return ["'routing_key' is missing or blank"]
    if len(key) != 32:
        return ["Length of 'routing_key' is incorrect (should be 32 characters)"]
    return []


def _payload_errors(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    errors = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not (isinstance(payload.get(name), str) and payload[name].strip())
    ]
    if not errors and payload["severity"] not in _SEVERITIES:
        errors.append("'payload.severity' is invalid (must be critical, error, warning or info)")
    if len(str(payload.get("summary", ""))) > 1_024:
        errors.append(
            "Length of 'payload.summary' is incorrect (should be at most 1024 characters)"
        )
    if not isinstance(payload.get("custom_details", {}), dict | str):
        errors.append("'payload.custom_details' must be an object")
    return errors


def _link_errors(links: Any) -> list[str]:
    if not isinstance(links, list):
        return ["'links' must be a list"]
    whole = all(isinstance(link, dict) and link.get("href") for link in links)
    return [] if whole else ["'links' must be objects with 'href'"]
