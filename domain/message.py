"""An event made ready to be said: what every channel turns into its vendor's form."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.notification import Action, Severity, action, alert_key, stated_severity

FACTS = 20
_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest event of the same entity that this channel has been told already."""

    event_type: str
    title: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery's content. Text is untrusted: each channel escapes and truncates for its vendor.

    `delivery_id` is stable over retries: the idempotency key wherever the vendor takes one.
    `alert_key` joins trigger, acknowledge and resolve of one entity. `facts` are names and values
    to show beside the body; `extra` is the event's metadata, whole, for vendors that take JSON.
    `latest` is set where a later event of the entity arrived first: this one comes late, and says
    so. `repeated`: an earlier attempt may have arrived already.
    """

    delivery_id: str
    notification_id: str
    event_type: str
    action: Action
    severity: Severity
    title: str
    body: str
    alert_key: str
    created_at: datetime
    url: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    recipient: str | None = None  # the e-mail address of the user the event is for
    latest: Latest | None = None
    repeated: bool = False


def render(delivery_id: str, notification: dict[str, Any], default: Severity) -> Message:
    """A notification's row as a message; `default` is the integration's severity."""
    metadata = notification["metadata"]
    entity = notification["entity_type"], notification["entity_id"]
    notification_id = str(notification["id"])
    return Message(
        delivery_id=delivery_id,
        notification_id=notification_id,
        event_type=notification["event_type"],
        action=action(notification["event_type"]),
        severity=stated_severity(notification["event_type"], metadata) or default,
        title=notification["title"],
        body=notification["body"],
        alert_key=alert_key(notification_id, *entity),
        created_at=notification["created_at"],
        url=_link(metadata.get("url")),
        entity_type=entity[0],
        entity_id=entity[1],
        facts=tuple(_facts(notification)),
        extra=metadata,
        recipient=(notification["recipient"] or {}).get("email"),
    )


def _link(url: Any) -> str | None:
    """Only http(s) is worth a button; `javascript:` and the like never leave the house."""
    return url if isinstance(url, str) and _LINK.fullmatch(url) else None


def _facts(notification: dict[str, Any]) -> list[tuple[str, str]]:
    """Scalar metadata, in its order; what has a place of its own is not said twice."""
    metadata = {
        name: value
        for name, value in notification["metadata"].items()
        if name not in ("severity", "url") and isinstance(value, str | int | float)
    }
    return [(name, _shown(value)) for name, value in metadata.items()][:FACTS]


def _shown(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
