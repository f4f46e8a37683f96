"""A Teams workflow on this machine: its trigger over HTTP, and the run that posts the card, or not.

After learn.microsoft.com, "Microsoft Teams connector" (schema of the webhook's trigger), and the
bodies that senders have reported. The trigger answers before the run: what is wrong with a card is
not in the answer, only in `runs`, the workflow's history.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web

from receivers.arrivals import Window
from receivers.receiver import Json, Receiver

EXAMPLE_SIG = "SignatureOfTheExample-0123456789_abcdefghij"
CARD_BYTES = 28 * 1_024  # of the request's JSON, written as a string in JSON
_PATH = re.compile(
    r"(/powerautomate/automations/direct)?(/cu/[^/]+)?/workflows/[0-9a-f]{32}"
    r"/triggers/manual/paths/invoke"
)
_RUN = "%2Ftriggers%2Fmanual%2Frun"  # `sp` of the query, which is signed in this form
_ACTIONS = ("Action.OpenUrl", "Action.ShowCard", "Action.ToggleVisibility")
_VERSIONS = tuple(f"1.{minor}" for minor in range(6))


@dataclass(frozen=True, slots=True)
class Run:
    """A line of the workflow's history; `failure` is empty where the cards were posted."""

    id: str
    cards: list[Json]
    failure: str = ""


class TeamsReceiver(Receiver):
    """Takes requests with the signature `sig` (None: with any one). `per_second` limits the signed
    requests in any one second, as the vendor does at 4."""

    kind = "teams"

    def __init__(self, sig: str | None = EXAMPLE_SIG, per_second: int | None = None) -> None:
        super().__init__()
        self.sig = sig
        self.runs: list[Run] = []
        self._window = Window(per_second, 1.0)

    @property
    def cards(self) -> list[Json]:
        """The cards that the channel shows."""
        return [card for run in self.runs if not run.failure for card in run.cards]

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if request.method != "POST" or not _PATH.fullmatch(request.path):
            return _error(404, "WorkflowNotFound", "The workflow could not be found.")
        if "api-version" not in request.query:
            message = "The api-version query parameter (?api-version=) is required for all requests"
            return _error(400, "MissingApiVersionParameter", message)
        if not self._is_signed(request.rel_url.raw_query_string):
            message = "The request must be authenticated only by Shared Access scheme."
            return _error(401, "DirectApiAuthorizationRequired", message)
        if not self._window.takes():
            return _error(429, "TooManyRequests", "Rate limit is exceeded.", **{"Retry-After": "1"})
        try:
            said = json.loads(body)
        except ValueError:
            return _error(400, "InvalidRequestContent", "The request content is not valid JSON.")
        mismatch = _mismatch(said)
        if mismatch is not None:
            message = (
                "The input body for trigger 'manual' of type 'Request' did not match its schema"
                f" definition. Error details: '{mismatch}'."
            )
            return _error(400, "TriggerInputSchemaMismatch", message)
        return self._run(said, body)

    def _is_signed(self, query: str) -> bool:
        """Judges the query as it is written, as decoding and encoding it anew may change it."""
        found = dict(part.partition("=")[::2] for part in query.split("&"))
        right = found.get("sig") if self.sig is None else self.sig
        return bool(right) and found.get("sig") == right and found.get("sp") == _RUN

    def _run(self, said: Json, body: bytes) -> web.Response:
        attachments = said.get("attachments")
        cards = [each["content"] for each in attachments or []]
        failure = _failure(attachments, cards, body)
        self.runs.append(Run(uuid4().hex.upper(), cards, failure))
        headers = {
            "x-ms-workflow-run-id": self.runs[-1].id,
            "x-ms-trigger-type": "Request",
            "x-ms-execution-location": "westeurope",
        }
        return web.Response(status=202, headers=headers)


def _error(status: int, code: str, message: str, **headers: str) -> web.Response:
    error = {"error": {"code": code, "message": message}}
    return web.json_response(error, status=status, headers=headers)


def _mismatch(said: Any) -> str | None:
    """How a body breaks the trigger's schema, which does not require attachments; None if not."""
    if not isinstance(said, dict):
        return "Invalid type. Expected Object but got another."
    attachments = said.get("attachments", [])
    if not isinstance(attachments, list):
        return "Invalid type. Expected Array but got another."
    for attachment in attachments:
        if not isinstance(attachment, dict):
            return "Invalid type. Expected Object but got another."
        missing = [
            name for name in ("contentType", "contentUrl", "content") if name not in attachment
        ]
        if missing:
            return f"Required properties are missing from object: {', '.join(missing)}."
        if attachment["contentUrl"] is not None:
            return "Invalid type. Expected Null but got String."
    return None


def _failure(attachments: Any, cards: list[Any], body: bytes) -> str:
    """Why the run does not post; empty if it does."""
    if not attachments:
        return "ExpressionEvaluationFailed: 'attachments' is null"
    if len(json.dumps(body.decode(), ensure_ascii=False).encode()) > CARD_BYTES:
        return "RequestEntityTooLarge"
    reasons = (reason for card in cards for reason in _card_reasons(card))
    return next(reasons, "")


def _card_reasons(card: Any) -> list[str]:
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return ["AdaptiveSerializationException: Property 'type' must be 'AdaptiveCard'"]
    if card.get("version") not in _VERSIONS:
        return ["AdaptiveSerializationException: Property 'version' is not supported"]
    if not isinstance(card.get("body"), list) or not card["body"]:
        return ["AdaptiveSerializationException: Property 'body' is missing"]
    if [each for each in card["body"] if not _has_text(each)]:
        return ["AdaptiveSerializationException: a text is missing"]
    actions = [each.get("type") for each in card.get("actions", [])]
    return [f"{action} is not supported" for action in actions if action not in _ACTIONS]


def _has_text(element: Any) -> bool:
    """Whether an element has its text; elements that are no texts need none."""
    match element:
        case {"type": "TextBlock"}:
            return isinstance(element.get("text"), str)
        case {"type": "RichTextBlock"}:
            runs = element.get("inlines")
            return bool(runs) and all(isinstance(run, str) or "text" in run for run in runs)
    return isinstance(element, dict)
