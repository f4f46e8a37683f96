"""The content of a delivery, which every channel turns into its vendor's form."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.json_document import Json
from domain.notification.event import (
    Action,
    Severity,
    StoredEvent,
    User,
    action,
    alert_key,
    stated_severity,
)
from domain.notification.severity import understood
from domain.values.link import link

FACTS = 20
_SEVERITIES = frozenset(Severity)
_FACT_CHARS = 500  # of a list or an object; each channel cuts texts to its vendor's limit


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest event of the same entity that has arrived in this channel."""

    event_type: str
    title: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery's content. Text is untrusted: each channel escapes and truncates for its vendor.

    `delivery_id` is stable over retries: the idempotency key wherever the vendor takes one.
    `alert_key` joins trigger, acknowledge and resolve of one entity. `facts` are names and values
    to show beside the body; if there are too many, the last one says how many are left out.
    `extra` is the event's whole metadata, for vendors that take JSON. `url` is an http(s) link, in
    ASCII. `latest` is set if a later event of the entity arrived first: the message then says that
    it comes late. `repeated`: an earlier attempt may have arrived already. `links` are URLs by
    which the reader may act on the entity; they are secrets.
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
    extra: Json = field(default_factory=dict)
    recipient: str | None = None  # the e-mail address of the user the event is for
    user_name: str | None = None  # the name of that user
    latest: Latest | None = None
    repeated: bool = False
    links: tuple[tuple[Action, str], ...] = field(default=(), repr=False)


def render(delivery_id: str, notification: StoredEvent, default: Severity) -> Message:
    """A stored event as a message; `default` is the integration's severity."""
    metadata = notification["metadata"]
    entity = notification["entity_type"], notification["entity_id"]
    notification_id, user = str(notification["id"]), notification["recipient"] or {}
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
        url=link(metadata.get("url")),
        entity_type=entity[0],
        entity_id=entity[1],
        facts=tuple(_shown_facts(metadata)),
        extra=metadata,
        recipient=user.get("email"),
        user_name=user.get("name"),
    )


def notes(metadata: Json, user: Json | None = None) -> list[str]:
    """Sentences, shown with the notification, about members of its event that have no effect."""
    return [*_notes(metadata), *_unknown(user or {})]


def _unknown(user: Json) -> Iterator[str]:
    names = ", ".join(name for name in user if name not in User.model_fields)
    if names:
        yield f"user has unknown members, which are stored but have no effect: {_cut(names)}"


def _notes(metadata: Json) -> Iterator[str]:
    severity, url = metadata.get("severity"), metadata.get("url")
    if severity is not None and understood(severity) is None:
        number = " (a number alone may mean anything: write P1 or sev1)"
        yield (
            f"metadata.severity {_quoted(severity)} is not a known severity"
            f"{number if _is_number(severity) else ''}, so the event's type decides, else the"
            " integration's default"
        )
    if url is not None and link(url) is None:
        yield f"metadata.url {_quoted(url)} is not an http or https link, so it is shown as text"


def _is_number(said: Any) -> bool:
    return str(said).strip().isdecimal()


def _quoted(said: Any) -> str:
    return json.dumps(said, ensure_ascii=False)[:100]


def _shown_facts(metadata: Json) -> list[tuple[str, str]]:
    """The metadata in its order, without a severity and a link that the message shows elsewhere."""
    told = {"severity": str(metadata.get("severity")).lower() in _SEVERITIES}
    told["url"] = link(metadata.get("url")) is not None
    facts = [(name, _shown(value)) for name, value in metadata.items() if not told.get(name)]
    if len(facts) <= FACTS:
        return facts
    return [*facts[: FACTS - 1], ("…", f"and {len(facts) - FACTS + 1} more facts")]


def _shown(value: Any) -> str:
    """A value as people read it: lists with commas, objects as JSON."""
    match value:
        case str():
            return value
        case None:
            return "–"
        case [*items] if items and all(isinstance(each, str | int | float) for each in items):
            return _cut(", ".join(map(_shown, items)))
        case bool() | list() | dict():
            return _cut(json.dumps(value, ensure_ascii=False))
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _FACT_CHARS else f"{text[:_FACT_CHARS]}…"
