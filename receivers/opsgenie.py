"""Opsgenie on this machine: its Alert API, also under the path of Jira Service Management.

After docs.opsgenie.com, "Alert API" and "Rate Limiting", and developer.atlassian.com, "Integration
events". Requests are answered 202 and processed `delay` seconds later; until then, asking for their
result is answered 404.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import uuid4

from aiohttp import web

from receivers.arrivals import Window
from receivers.opsgenie_content import UNPROCESSABLE, action_errors, alert_errors
from receivers.receiver import Json, Receiver

_JSM = "/jsm/ops/integration"
_PATH = re.compile(r"/v2/alerts(?:/([^/]+)(?:/(acknowledge|close|notes))?)?")
_RESULT = re.compile(r"/v2/alerts/requests/([^/]+)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IDENTIFIERS = ("id", "alias", "tiny")
_PERIOD = 60  # seconds in which `per_minute` requests are taken


@dataclass(slots=True)
class Alert:
    """An alert; `count` is how many creates have joined it, the first included."""

    id: str
    tiny_id: str
    alias: str
    payload: Json
    status: str = "open"
    acknowledged: bool = False
    count: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        return "acknowledged" if self.status == "open" and self.acknowledged else self.status


@dataclass(frozen=True, slots=True)
class _Identified:
    """How a request names its alert."""

    value: str
    type: str

    def names(self, alert: Alert) -> bool:
        """An alias names an open alert only."""
        if self.type == "alias":
            return alert.alias == self.value and alert.status == "open"
        return self.value == (alert.id if self.type == "id" else alert.tiny_id)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that was taken; `process` returns the alert, if there is one, and the words."""

    id: str
    action: str
    due: float
    process: Callable[[], tuple[Alert | None, str]]


class OpsgenieReceiver(Receiver):
    """`keys` are those that exist (None: any of the right form). `may_read`, `may_write`, `enabled`
    and `on_plan` are what the integration of the key is allowed. `delays` are the seconds until
    requests are processed, by action (`create`, `acknowledge`, `close`, `notes`). `per_minute`
    limits requests as the vendor's token bucket does; each domain has its own."""

    kind = "opsgenie"

    def __init__(self, keys: frozenset[str] | None = None, per_minute: int | None = None) -> None:
        super().__init__()
        self.keys = keys
        self.may_read = self.may_write = self.enabled = self.on_plan = True
        self.delays: dict[str, float] = {}
        self._alerts: list[Alert] = []
        self._waiting: list[_Waiting] = []
        self.results: dict[str, Json] = {}  # of requests that were processed, by their ids
        self._windows = {
            domain: Window(per_minute, float(_PERIOD)) for domain in ("alert", "search")
        }

    @property
    def alerts(self) -> list[Alert]:
        """The alerts as the requests that were processed by now have left them."""
        self._process()
        return self._alerts

    def process_all(self) -> None:
        """Process the requests that are still waiting, whatever their delay."""
        self._process(float("inf"))

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        self._process()
        is_jsm = request.path.startswith(f"{_JSM}/")
        path = request.raw_path.partition("?")[0].removeprefix(_JSM if is_jsm else "")
        found, result = _PATH.fullmatch(path), _RESULT.fullmatch(path)
        if found is None and result is None:
            return _respond(404, {"message": "The requested resource does not exist."})
        refused = self._refused(request, is_jsm)
        if refused is not None:
            return refused
        if request.method == "GET":
            return self._result(result[1]) if result else self._shown(request, found)
        if request.method != "POST" or found is None or (found[1] and not found[2]):
            return _respond(405, {"message": "Method is not allowed."})
        return self._take(request, found, body, is_jsm)

    def _refused(self, request: web.Request, is_jsm: bool) -> web.Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "GenieKey" or not key:
            return _respond(401, {"message": "Could not authenticate"})
        if self.keys is None and not _UUID.fullmatch(key):
            return _respond(422, {"message": "Key format is not valid!"})
        is_known = self.keys is None or key in self.keys
        if not is_known or not (self.enabled or is_jsm):
            return _respond(401, {"message": "Could not authenticate"})
        if not self.on_plan:
            return _respond(402, {"message": "Your plan does not include this action."})
        if not (self.may_read if request.method == "GET" else self.may_write):
            needed = "To perform this action, use an API key from an API integration."
            return _respond(403, {"message": needed, "code": 40301})
        is_search = request.method == "GET" and request.path.endswith("/v2/alerts")
        if not self._windows["search" if is_search else "alert"].takes():
            return _throttled()
        return None

    def _take(
        self, request: web.Request, found: re.Match[str], body: bytes, is_jsm: bool
    ) -> web.Response:
        action = found[2] or "create"
        try:
            said = json.loads(body) if body or action == "create" else {}
        except ValueError:
            return _respond(400, {"message": "Request body is not a valid JSON."})
        if not isinstance(said, dict):
            return _respond(400, {"message": "Request body is not a valid JSON."})
        errors = alert_errors(said) if action == "create" else action_errors(said, action)
        named = _Identified(unquote(found[1] or ""), request.query.get("identifierType", "id"))
        if named.type not in _IDENTIFIERS:
            errors["identifierType"] = f"should be one of [ {', '.join(_IDENTIFIERS)} ]"
        if errors:
            return _respond(422, {"message": UNPROCESSABLE, "errors": errors})
        return self._accept(action, lambda: self._do(action, named, said, is_jsm))

    def _accept(self, action: str, process: Callable[[], tuple[Alert | None, str]]) -> web.Response:
        due = time.monotonic() + self.delays.get(action, 0.0)
        taken = _Waiting(str(uuid4()), action, due, process)
        self._waiting.append(taken)
        self._process()
        return _respond(202, {"result": "Request will be processed"}, taken.id)

    def _process(self, until: float | None = None) -> None:
        until = time.monotonic() if until is None else until
        for each in sorted(self._waiting, key=lambda waiting: waiting.due):
            if each.due <= until:
                self._waiting.remove(each)
                self.results[each.id] = _result_of(each.action, *each.process())

    def _do(
        self, action: str, named: _Identified, said: Json, is_jsm: bool
    ) -> tuple[Alert | None, str]:
        """What a request does when it is processed. Without an alert, it has failed."""
        if not self.enabled:
            return None, "Integration is disabled."
        if action == "create":
            return self._create(said), "Created alert"
        alert = next(filter(named.names, self._alerts), None)
        if alert is None and is_jsm and named.type == "alias":
            return None, f"There is no open alert with alias [{named.value}]."
        if alert is None:
            return None, "Alert does not exist"
        if said.get("note"):
            alert.notes.append(said["note"])
        if action == "acknowledge":
            alert.acknowledged = True
        elif action == "close":
            alert.status = "closed"
        return alert, f"{action.capitalize()} is done"

    def _create(self, said: Json) -> Alert:
        """A create with the alias of an open alert counts it up, and changes nothing else."""
        id = str(uuid4())
        alias = said.get("alias") or id
        for alert in self._alerts:
            if alert.alias == alias and alert.status == "open":
                alert.count += 1
                return alert
        made = Alert(id, str(len(self._alerts) + 1), alias, said)
        made.notes.extend([said["note"]] if said.get("note") else [])
        self._alerts.append(made)
        return made

    def _result(self, id: str) -> web.Response:
        if id not in self.results:
            waits = "Request not found. It might not be processed, yet."
            return _respond(404, {"message": waits})
        return _respond(200, {"data": self.results[id]})

    def _shown(self, request: web.Request, found: re.Match[str] | None) -> web.Response:
        """The list of alerts, one alert, or its notes."""
        if found is None or found[2] in ("acknowledge", "close"):
            return _respond(405, {"message": "Method is not allowed."})
        if found[1] is None:
            limit = request.query.get("limit", "20")
            if not limit.isdecimal() or not 1 <= int(limit) <= 100:
                errors = {"limit": "should be between 1 and 100"}
                return _respond(422, {"message": UNPROCESSABLE, "errors": errors})
            newest = [_shown(alert) for alert in reversed(self._alerts)]
            return _respond(200, {"data": newest[: int(limit)], "paging": {}})
        named = _Identified(unquote(found[1]), request.query.get("identifierType", "id"))
        alert = next(filter(named.names, self._alerts), None)
        if alert is None:
            return _respond(404, {"message": "Alert does not exist"})
        if found[2] is None:
            return _respond(200, {"data": _shown(alert)})
        return _respond(200, {"data": [{"note": each} for each in alert.notes], "paging": {}})


def _shown(alert: Alert) -> Json:
    return {
        "id": alert.id,
        "tinyId": alert.tiny_id,
        "alias": alert.alias,
        "message": alert.payload["message"],
        "status": alert.status,
        "acknowledged": alert.acknowledged,
        "count": alert.count,
        "tags": alert.payload.get("tags", []),
        "priority": alert.payload.get("priority", "P3"),
        "source": alert.payload.get("source", ""),
    }


def _result_of(action: str, alert: Alert | None, words: str) -> Json:
    return {
        "success": alert is not None,
        "action": action.capitalize(),
        "processedAt": datetime.now(UTC).isoformat(),
        "integrationId": "c9cec2cb-e782-4ebb-bc1d-1b2fa703cf03",
        "isSuccess": alert is not None,
        "status": words,
        "alertId": alert.id if alert else "",
        "alias": alert.alias if alert else "",
    }


def _throttled() -> web.Response:
    throttled = {"X-RateLimit-State": "THROTTLED", "X-RateLimit-Reason": "ACCOUNT"}
    headers = {**throttled, "X-RateLimit-Period-In-Sec": str(_PERIOD)}
    return _respond(429, {"message": "You are making too many requests!"}, headers=headers)


def _respond(
    status: int, said: Json, id: str = "", headers: dict[str, str] | None = None
) -> web.Response:
    """Every answer has the id of its request, in the body and in a header."""
    id = id or str(uuid4())
    whole: Json = {**said, "took": 0.01, "requestId": id}
    usual = {"X-Request-ID": id, "X-Response-Time": "0.01", "X-RateLimit-State": "OK"}
    return web.json_response(whole, status=status, headers=usual | (headers or {}))
