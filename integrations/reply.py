"""What is made of a vendor's reply that is not its success, and what of it may be kept."""

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
    """The class of a status of which the vendor says nothing, and of any webhook's.

    It may come from whatever stands before the receiver: a proxy, an ingress during a deployment,
    a login page. That passes; so nothing is final but what a vendor itself calls so.
    """
    return _OF_STATUS.get(status, FailureClass.TRANSIENT)


def of_the_content(reply: Reply) -> FailureClass:
    """The class where a vendor's 400 and 413 are of what was sent, and final. With a page they come
    from what stands before it, which has limits and moods of its own."""
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
    """The failure, to be raised: of class `kind` where the vendor says so, else by its status."""
    fell_over = reply.status >= 500  # the request, nobody knows how far into it
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
    """The body as text for the record; nothing of a server within the operator's network."""
    return "" if reply.private else reply.body.decode("utf-8", "replace")[:_KEPT_CHARS]


def is_page(reply: Reply) -> bool:
    """Whether it is a page for people, which no vendor answers: somebody else has. Only the body
    tells: Slack calls its `ok` text/html."""
    return _PAGE.match(reply.body) is not None


def json_object(reply: Reply) -> Json:
    """The object that the body is; empty if it is none, or nested as deep as no vendor's is."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def error_code(said: Any) -> str | None:
    """A vendor's code of an error, if it is one; anything else might quote a secret."""
    return said if isinstance(said, str) and _CODE.fullmatch(said) else None
