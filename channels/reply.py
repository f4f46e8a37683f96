"""What is made of a vendor's reply that is not its success, and what of it may be kept."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from channels.egress import Reply, retry_after
from domain.delivery import DeliveryFailed, Failure, FailureClass, class_of_status

_KEPT_CHARS = 20_000
_CODE = re.compile(r"[A-Za-z_]{1,80}")


def refusal(
    reply: Reply,
    detail: str,
    kind: FailureClass | None = None,
    *,
    gone: bool = False,
    maybe_sent: bool = False,
) -> DeliveryFailed:
    """The failure that a status means, unless the vendor's body says `kind`; to be raised."""
    fell_over = reply.status >= 500  # the request, nobody knows how far into it
    failure = Failure(
        kind or class_of_status(reply.status),
        detail,
        reply.status,
        retry_after=retry_after(reply.headers, datetime.now(UTC)),
        maybe_sent=maybe_sent or fell_over,
        gone=gone,
        response=kept(reply),
    )
    return DeliveryFailed(failure)


def kept(reply: Reply) -> str:
    """The body as text for the record; nothing of a server within the operator's network."""
    return "" if reply.private else reply.body.decode("utf-8", "replace")[:_KEPT_CHARS]


def json_object(reply: Reply) -> dict[str, Any]:
    """The object that the body is; empty if it is none, or nested as deep as no vendor's is."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def error_code(said: Any) -> str | None:
    """A vendor's code of an error, if it is one; anything else might quote a secret."""
    return said if isinstance(said, str) and _CODE.fullmatch(said) else None
