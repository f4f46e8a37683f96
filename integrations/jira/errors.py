"""What Jira's refusals mean: whose fault they are, and what can be done about them.

Source: developer.atlassian.com, "The Jira Cloud platform REST API" (status codes) and "Rate
limiting", and bodies that were seen. A refusal of Jira's own is JSON with `errorMessages` and
`errors` (by field), or with one `message`; anything else may come from a proxy, and passes. What
Jira says against the fields of an issue is a matter of the config, as a required field that the
config does not fill; only a text that is too long, or that Jira cannot store, is the message's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from domain.integration.outcome import DeliveryFailed, FailureClass
from domain.json_document import Json
from domain.redaction import Redactor
from egress.client import Reply
from integrations.reply import is_page, json_object, refusal
from integrations.text import cut, one_line

_SHOWN_CHARS = 300
_LONG_REST = 3_600.0  # seconds, of a quota for which no time is named

_OF_THE_MESSAGE = re.compile(
    r"too long|exceeds the (allowed )?limit|CONTENT_LIMIT_EXCEEDED|must be less than [0-9]+ char"
    r"|can't exceed [0-9]+ char|unsupported content",
    re.IGNORECASE,
)
_ADVICE = {
    401: (
        "the token or password is wrong, was revoked or has expired (an API token lives a year at"
        " most): make another; a token with scopes needs the cloudId, read:jira-user,"
        " read:jira-work and write:jira-work"
    ),
    403: "the account may not do this: give it the permission, or other credentials",
    404: "look at deployment, baseUrl and cloudId, or whether the account may see the project",
    410: "this version of the API was removed: look at deployment, or upgrade this service",
    422: "the project's configuration prevents it: ask its administrators",
}
_CAPTCHA = "AUTHENTICATION_DENIED"
_CAPTCHA_ADVICE = "Jira asks for a CAPTCHA after too many failed logins: log in by hand once"
_BAD_BEARER = re.compile("Failed to parse .*Auth Token", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Deed:
    """What a call was to do. `changes`: it may have had its effect where Jira fell over, or where
    somebody else answered in its place. `advice`: what to correct if Jira blames its fields."""

    name: str
    changes: bool = True
    advice: str = ""


def refused(reply: Reply, redactor: Redactor, deed: Deed) -> DeliveryFailed:
    """The failure, to be raised, of a call with this answer."""
    said = json_object(reply)
    kind = _kind(reply, said)
    parts = [shown(f"Jira answered {reply.status} to {deed.name}", redactor), words(said, redactor)]
    detail = ": ".join(filter(None, [*parts, _advice(reply, kind, deed)]))
    failed = refusal(reply, detail, kind, maybe_sent=200 <= reply.status < 300)
    wait = failed.failure.retry_after
    if reply.status == 429 and wait is None:
        wait = _rest(reply.headers)
    sent = deed.changes and failed.failure.maybe_sent
    return DeliveryFailed(replace(failed.failure, maybe_sent=sent, retry_after=wait))


def is_login_refused(reply: Reply) -> bool:
    """Whether the credentials are refused, and not what the account may do with them. Cloud says so
    of tokens that it cannot read with 403."""
    if reply.status == 403:
        return _BAD_BEARER.search("; ".join(_sayings(json_object(reply)))) is not None
    return reply.status == 401


def words(said: Json, redactor: Redactor) -> str:
    """What Jira says is wrong, with the names of the fields."""
    return shown("; ".join(_sayings(said)), redactor)


def shown(text: str, redactor: Redactor, chars: int = _SHOWN_CHARS) -> str:
    """A text with words of Jira's, for one line. It is cut last, as half a secret is not known."""
    return cut(one_line(redactor.text(text)), chars)


def fields_of(said: Json) -> Mapping[str, Any]:
    """What Jira says against single fields."""
    errors = said.get("errors")
    return errors if isinstance(errors, dict) else {}


def _sayings(said: Json) -> Iterator[str]:
    messages = said.get("errorMessages")
    for message in messages if isinstance(messages, list) else []:
        yield str(message)
    for field, message in fields_of(said).items():
        yield f"{field}: {message}"
    for name in ("message", "error", "title", "detail", "error_description"):
        if isinstance(said.get(name), str):
            yield said[name]


def _kind(reply: Reply, said: Json) -> FailureClass | None:
    """The class of a refusal; None where the status alone decides."""
    text = "; ".join(_sayings(said))
    if not text:
        return None
    if reply.status == 413 or (reply.status == 400 and _OF_THE_MESSAGE.search(text)):
        return FailureClass.PERMANENT
    return FailureClass.MISCONFIGURED if reply.status in (400, 404, 410, 422) else None


def _advice(reply: Reply, kind: FailureClass | None, deed: Deed) -> str:
    if is_page(reply) and reply.status not in (401, 403):
        return "this is a web page, not Jira's API: look at baseUrl, or at what stands before Jira"
    if reply.headers.get("x-seraph-loginreason", "").startswith(_CAPTCHA):
        return _CAPTCHA_ADVICE
    if is_login_refused(reply):
        return _ADVICE[401]
    if kind is FailureClass.MISCONFIGURED or reply.status in (401, 403):
        return _ADVICE.get(reply.status, deed.advice)
    return ""


def _rest(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait after a 429 without Retry-After: until the time that Jira names, else long if
    a quota is used up. Quotas are counted by the hour."""
    try:
        reset = datetime.fromisoformat(headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return _LONG_REST if "quota" in headers.get("ratelimit-reason", "") else None
    reset = reset if reset.tzinfo else reset.replace(tzinfo=UTC)
    return max((reset - datetime.now(UTC)).total_seconds(), 0.0)
