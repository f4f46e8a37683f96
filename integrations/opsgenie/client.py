"""Opsgenie's Alert API, which Jira Service Management takes over: one key, one table of errors.

Source: docs.opsgenie.com, "Alert API" and "Rate Limiting"; developer.atlassian.com, "Integration
events" of Jira Service Management ops. Requests are answered 202 and processed later, in no
promised order; GET …/requests/{id} tells what became of one, and answers 404 until it is processed.
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.json_document import Json
from egress.client import Egress, Reply
from integrations.opsgenie.config import OpsgenieConfig
from integrations.reply import body_for_record, is_page, json_object, refusal, undocumented
from integrations.text import compact

_WAITS = (0.2, 0.4, 0.8)  # seconds before each question what became of a request
_FOLLOWING = 2.0  # seconds for all of them, as the delivery is in flight meanwhile
_SECONDS = 18.0  # for all requests of one delivery: after 20 s others may take it for lost
_DETAIL_CHARS = 500
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,100}")

# "Alert does not exist" is Opsgenie's word for an alias that no open alert has, "There is no open
# alert with alias [x]." that of Jira Service Management.
_ABSENT = re.compile(
    r"\balert\b.*(does not exist|not found|already (closed|acknowledged))|no open alert", re.I
)
# A 404 without these words comes from a system that does not know the path.
_PENDING = re.compile(r"request not found|not be processed", re.I)
_OF_THE_KEY = re.compile(r"key format|api ?key", re.I)  # 422 "Key format is not valid!"
_TO_MEND = re.compile(r"disabled|not authorized|permission|api key", re.I)
_ADVICE = {
    401: "take the key from an API integration that is switched on, and name its region",
    402: "the account's plan does not include this",
    403: "take the key of an API integration with the right to create and update alerts, not one"
    " of the account's API key management; is the region right?",
    422: "the key is not one of an API integration: copy it again",
}


class Action(StrEnum):
    """What can be done to an alert; all but a create are the last part of a path."""

    CREATE = "create"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    NOTE = "notes"


class State(StrEnum):
    """What is known of a request that was taken."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"  # it is not processed yet
    UNSEEN = "unseen"  # the key may not ask, or the answer means nothing


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that was taken; without an id, nothing can be asked about it."""

    id: str
    code: int
    response: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the vendor says of a request, in its own `words`."""

    state: State
    words: str = ""
    alert_id: str = ""
    response: str = ""

    @property
    def is_pointless(self) -> bool:
        """Whether there was no open alert to change, or the change had been made before."""
        return self.state is State.FAILED and _ABSENT.search(self.words) is not None


class Client:
    """Sends the requests of one delivery or test, and asks what became of them."""

    def __init__(self, config: OpsgenieConfig, egress: Egress) -> None:
        self._config, self._egress = config, egress
        self._end = asyncio.get_running_loop().time() + _SECONDS

    async def post(self, action: Action, alias: str, body: Json) -> Taken:
        """Raises DeliveryFailed unless the request is taken."""
        exists = action is not Action.CREATE
        path = f"/{quote(alias, safe='')}/{action}?identifierType=alias" if exists else ""
        # A note that comes twice is shown twice; anything else is recognised.
        reply = await self._send("POST", path, body, repeatable=action is not Action.NOTE)
        id = json_object(reply).get("requestId")
        taken = 200 <= reply.status < 300 and isinstance(id, str) and bool(id)
        absent = reply.status == 404 and exists and _ABSENT.search(words_of(reply))
        if not (taken or absent):
            raise self.refused(reply)
        known = str(id) if taken and _REQUEST_ID.fullmatch(str(id)) else ""
        return Taken(known, reply.status, body_for_record(reply))

    async def follow(self, request_id: str) -> Progress:
        """Ask a few times what became of a request. Never raises: the request itself was taken."""
        progress = Progress(State.UNSEEN)
        if not request_id:
            return progress
        with suppress(TimeoutError, DeliveryFailed):
            async with asyncio.timeout(_FOLLOWING):
                for wait in _WAITS:
                    await asyncio.sleep(wait)
                    progress = _progress(await self._send("GET", f"/requests/{request_id}"))
                    if progress.state is not State.WAITING:
                        break
        return progress

    async def list_alerts(self) -> Reply:
        """The answer to a request for one alert, which takes the right to read."""
        return await self._send("GET", "?limit=1")

    def refused(self, reply: Reply) -> DeliveryFailed:
        """The failure, to be raised, for an answer that takes no request."""
        words, kind = words_of(reply), _kind(reply)
        advice = _ADVICE.get(reply.status, "") if kind is FailureClass.MISCONFIGURED else ""
        said = [f"{self._config.vendor} answered {reply.status}", words, advice]
        return refusal(_with_wait(reply), self._detail(said), kind)

    def failed(self, progress: Progress) -> DeliveryFailed:
        """The failure, to be raised, for a request that was taken, and could not be processed."""
        mends = _TO_MEND.search(progress.words) is not None
        kind = FailureClass.MISCONFIGURED if mends else FailureClass.TRANSIENT
        said = [f"{self._config.vendor} took the request, but could not process it", progress.words]
        return DeliveryFailed(Failure(kind, self._detail(said), 202, response=progress.response))

    def _detail(self, said: list[str]) -> str:
        text = ": ".join(part.rstrip(".") for part in said if part)
        return self._config.redactor.text(text)[:_DETAIL_CHARS]

    async def _send(
        self, method: str, path: str, body: Json | None = None, *, repeatable: bool = True
    ) -> Reply:
        key = self._config.api_key.get_secret_value()
        headers = {"authorization": f"GenieKey {key}", "accept": "application/json"}
        content = b""
        if body is not None:
            headers["content-type"], content = "application/json", compact(body)
        url = f"{self._config.base}/v2/alerts{path}"
        try:
            async with asyncio.timeout_at(self._end):
                return await self._egress.send(method, url, headers, content, repeatable=repeatable)
        except TimeoutError:
            why = f"{self._config.vendor}: no answer in time"
            failure = Failure(FailureClass.TRANSIENT, why, maybe_sent=True, timed_out=True)
            raise DeliveryFailed(failure) from None


def words_of(reply: Reply) -> str:
    """What the vendor says is wrong; empty if the answer is not in its form, `{"message": …}`."""
    said = {} if is_page(reply) else json_object(reply)
    message, errors = said.get("message"), said.get("errors")
    if not isinstance(message, str) or not message:
        return ""
    fields = errors.items() if isinstance(errors, dict) else ()
    words = "; ".join([message.rstrip("."), *(f"{name} {why}" for name, why in fields)])
    return words[:_DETAIL_CHARS]


def _kind(reply: Reply) -> FailureClass:
    """The class of a refusal. 400, 402 and 422 count in the vendor's own words only: with any other
    body they come from a system before it."""
    words = words_of(reply)
    if 200 <= reply.status < 300 or not words:
        return undocumented(reply.status)
    if reply.status == 402 or (reply.status == 422 and _OF_THE_KEY.search(words)):
        return FailureClass.MISCONFIGURED
    return FailureClass.PERMANENT if reply.status in (400, 422) else undocumented(reply.status)


def _with_wait(reply: Reply) -> Reply:
    """The reply with the vendor's own header for the seconds that it throttles, as Retry-After."""
    period = reply.headers.get("x-ratelimit-period-in-sec")
    if reply.status != 429 or period is None:
        return reply
    return replace(reply, headers={"retry-after": period, **reply.headers})


def _progress(reply: Reply) -> Progress:
    said = json_object(reply)
    data: Any = said.get("data", said)
    data = data if isinstance(data, dict) else {}
    success = data.get("isSuccess", data.get("success"))
    if reply.status == 404 and _PENDING.search(words_of(reply)):
        return Progress(State.WAITING, response=body_for_record(reply))
    if reply.status != 200 or not isinstance(success, bool):
        return Progress(State.UNSEEN)
    words, alert_id = (str(data.get(name) or "") for name in ("status", "alertId"))
    state = State.DONE if success else State.FAILED
    return Progress(state, words[:_DETAIL_CHARS], alert_id, body_for_record(reply))
