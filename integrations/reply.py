"""Classify a vendor's reply that is no success, and say what of it may be recorded."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.json_document import Json
from egress.client import Reply, retry_after

_KEPT_CHARS = 20_000
_CODE = re.compile(r"[A-Za-z_]{1,80}")
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf|\s|<\?xml[^>]{0,200}>|<!--.{0,500}?-->)*+<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)

_OF_THE_CONTENT = (400, 413)
_OF_STATUS = {
    401: FailureClass.MISCONFIGURED,
    403: FailureClass.MISCONFIGURED,
    429: FailureClass.THROTTLED,
}


def undocumented(status: int) -> FailureClass:
    """The class of a status that the vendor does not document, and of any status of a webhook.

    Such a status may come from whatever stands before the receiver: a proxy, an ingress during a
    deployment, a login page. That passes; only what a vendor itself calls final is final.
    """
    return _OF_STATUS.get(status, FailureClass.TRANSIENT)


def of_the_content(reply: Reply) -> FailureClass:
    """The class for vendors whose 400 and 413 blame what was sent, which is final. Those with an
    HTML page come from a proxy before the vendor, which has limits of its own, and pass."""
    if reply.status in _OF_THE_CONTENT and not is_page(reply):
        return FailureClass.PERMANENT
    return undocumented(reply.status)


def refusal(
    reply: Reply,
    detail: str,
    kind: FailureClass | None = None,
    *,
    endpoint_gone: bool = False,
    maybe_sent: bool = False,
) -> DeliveryFailed:
    """The failure, to be raised: of class `kind` if it is given, else of that of the status."""
    fell_over = reply.status >= 500  # nobody knows how far the server had come
    failure = Failure(
        kind or undocumented(reply.status),
        detail,
        reply.status,
        retry_after=retry_after(reply.headers, datetime.now(UTC)),
        maybe_sent=maybe_sent or fell_over,
        endpoint_gone=endpoint_gone,
        response=body_for_record(reply),
    )
    return DeliveryFailed(failure)


def body_for_record(reply: Reply) -> str:
    """The body as text for the record; empty if it is of a server in the operator's network."""
    return "" if reply.private else reply.body.decode("utf-8", "replace")[:_KEPT_CHARS]


def is_page(reply: Reply) -> bool:
    """Whether the body is an HTML page, which no vendor's API answers, but a proxy before it may.
    The content type does not tell: Slack calls its `ok` text/html."""
    return _PAGE.match(reply.body) is not None


def json_object(reply: Reply) -> Json:
    """The body as a JSON object; empty if it is none, or is nested too deep to be read."""
    return json_of(reply.body)


def json_of(body: bytes) -> Json:
    """As `json_object`, of any body."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def error_code(said: Any) -> str | None:
    """The vendor's error code, if it has the form of one; anything else might quote a secret."""
    return said if isinstance(said, str) and _CODE.fullmatch(said) else None
