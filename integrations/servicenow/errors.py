"""What ServiceNow's answers mean: whose fault they are, and what can be done. Pure.

Source: docs.servicenow.com, "REST API HTTP response codes", "Inbound REST API rate limiting", and
knowledge articles KB1297438 (a cancelled transaction answers 200, its error at the end of a body
that may not be JSON any more) and KB3047080 (202: the request may or may not be done). An error is
`{"error": {"message", "detail"}, "status": "failure"}`.
"""

import re
import time
from dataclasses import dataclass, replace
from typing import Any

from domain.integration.outcome import DeliveryFailed, FailureClass
from domain.integration.retry_schedule import USUAL_LIFE
from domain.json_document import Json
from domain.redaction import Redactor
from egress.client import Reply
from integrations.reply import is_page, json_object, refusal
from integrations.text import one_line

_DETAIL_CHARS = 500
_CANCELLED = b"Transaction cancelled: maximum execution time exceeded"
_HIBERNATES = re.compile(rb"hibernat", re.IGNORECASE)
_WAKES = re.compile(r"https://developer\.servicenow\.com(/|$)")  # where a redirect may lead

_HIBERNATING = (
    "the instance hibernates, as instances for developers do: wake it at developer.servicenow.com"
)
_PAGE = (
    "a page instead of the API's JSON, as of a login (single sign-on), of maintenance or of a"
    " proxy: look at instanceUrl, and whether the API asks for another login there"
)
_REDIRECT = "a redirect, perhaps to a login page, which is not followed: look at instanceUrl"
_LATER = (
    "too many requests wait, and this one may or may not be done later; it is looked for before it"
    " is repeated"
)
_TOO_LONG = "it cancelled the request, which took too long; a part of it may be done"
_NO_RESULT = "an answer without a result, so it is not known whether anything was done"
_SLOWER = "too many requests: of the user, by a rule of the instance, or of all its users"
_LOGIN = "the login is wrong, expired or locked: put another into the integration"


@dataclass(frozen=True, slots=True)
class _Known:
    """An error that ServiceNow words so, and what can be done about it."""

    status: int
    words: str
    kind: FailureClass
    advice: str


_KNOWN = (
    _Known(400, "Invalid table", FailureClass.MISCONFIGURED, "look at `table`"),
    _Known(400, "Exception while reading request", FailureClass.PERMANENT, ""),
    _Known(
        403,
        "Data Policy Exception",
        FailureClass.MISCONFIGURED,
        "give these fields a value in `fields` (for resolving: closeCode, closeNotes,"
        " `resolveFields`), or change the data policy",
    ),
    _Known(
        403,
        "Business Rule",
        FailureClass.MISCONFIGURED,
        "the login is fine, this rule of the instance refuses the change: ask who administers it",
    ),
    _Known(
        403,
        "API level ACL",
        FailureClass.MISCONFIGURED,
        "the user may not use the REST API for this table: an access control of type REST_Endpoint"
        " or an API access policy says so (role snc_platform_rest_api_access)",
    ),
    _Known(
        403,
        "ACL Exception",
        FailureClass.MISCONFIGURED,
        "give the user a role that may create and change such records, such as itil",
    ),
    _Known(
        404,
        "No Record found",
        FailureClass.TRANSIENT,
        "the record was deleted, or the user may not read it",
    ),
)


def result_of(reply: Reply, redactor: Redactor) -> Any:
    """The answer's `result`. Raises DeliveryFailed for an answer that is no success."""
    said = json_object(reply)
    if 200 <= reply.status < 300 and "result" in said and "error" not in said:
        return said["result"]
    raise refused(reply, redactor)


def is_missing(reply: Reply) -> bool:
    """Whether the vendor says that there is no such record, or none that the user may read."""
    return reply.status == 404 and "No Record found" in _words(json_object(reply))


def refused(reply: Reply, redactor: Redactor) -> DeliveryFailed:
    """The failure, to be raised: with the vendor's own words, and what can be done."""
    kind, why = _judged(reply)
    taken = 200 <= reply.status < 300 and kind is None
    detail = redactor.text(f"ServiceNow answered {reply.status}: {why}")[:_DETAIL_CHARS]
    failure = refusal(reply, detail, kind, maybe_sent=taken).failure
    failure = replace(failure, response=redactor.text(failure.response))
    if failure.retry_after is None and failure.kind is FailureClass.THROTTLED:
        failure = replace(failure, retry_after=_until_reset(reply))
    return DeliveryFailed(failure)


def _judged(reply: Reply) -> tuple[FailureClass | None, str]:
    """The class (None: that of the status), and the reason in words."""
    location = reply.headers.get("location", "")
    asleep = is_page(reply) and _HIBERNATES.search(reply.body)
    if asleep or (300 <= reply.status < 400 and _WAKES.match(location)):
        return FailureClass.MISCONFIGURED, _HIBERNATING
    words = _words(json_object(reply))
    for known in _KNOWN:
        if reply.status == known.status and known.words in words:
            return known.kind, f"{words}; {known.advice}" if known.advice else words
    return None, "; ".join(filter(None, [words, _of_status(reply)])) or "without saying why"


def _of_status(reply: Reply) -> str:
    """What the answer's form says, if its words do not."""
    if is_page(reply):
        return _PAGE
    if _CANCELLED in reply.body:
        return _TOO_LONG
    if 200 <= reply.status < 300:
        return _LATER if reply.status == 202 else _NO_RESULT
    if 300 <= reply.status < 400:
        return _REDIRECT
    return {401: _LOGIN, 429: _SLOWER}.get(reply.status, "")


def _words(said: Json) -> str:
    """The error in the vendor's words, which name the fields, rules and tables that it is about."""
    error = said.get("error")
    if isinstance(error, str):
        return one_line(error)[:_DETAIL_CHARS]
    if not isinstance(error, dict):
        return ""
    parts = (error.get("message"), error.get("detail"))
    return one_line(": ".join(part for part in parts if isinstance(part, str)))[:_DETAIL_CHARS]


def _until_reset(reply: Reply) -> float | None:
    """Seconds until the hour of the rate limit is over, which some answers say in place of
    Retry-After."""
    at = reply.headers.get("x-ratelimit-reset", "")
    if not re.fullmatch("[0-9]{1,12}", at):
        return None
    return min(max(float(at) - time.time(), 0.0), USUAL_LIFE)
