"""Which channels an event goes to: the user's own choice, else the tenant's default channels.

A channel that it would have gone to and does not has its reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from domain.integration.stored import SendingIntegration
from domain.json_document import Json
from domain.notification.delivery import Reason
from domain.notification.event import Severity, StoredEvent, stated_severity
from domain.notification.preference import Preferences, targets, unwanted


class RoutedEvent(StoredEvent):
    """An event to be routed; `resent_at`: when somebody asked to send it again."""

    expires_at: datetime | None
    resent_at: datetime | None


class StoredChannel(TypedDict):
    """A notification channel with its integration, if that is not deleted."""

    id: UUID
    channel_type: str
    options: Json
    is_default: bool
    is_active: bool
    integration_id: UUID | None
    integration: SendingIntegration | None


class RoutingChannel(StoredChannel):
    """A channel that events are routed to; `severity`: that of events that do not say theirs."""

    severity: Severity


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a notification in one channel; `reason` says why it is not sent there.

    Without `channel` there is none of that id (any more), or none at all.
    """

    notification: RoutedEvent
    channel: RoutingChannel | None
    channel_id: UUID | None
    severity: Severity
    reason: Reason | None


def routes(
    notifications: Iterable[RoutedEvent],
    channels: Sequence[RoutingChannel],
    preferences: Mapping[str, Preferences],
) -> Iterator[Decision]:
    """One decision at least for each notification."""
    known = {channel["id"]: channel for channel in channels}
    for notification in notifications:
        own = preferences_of(notification, preferences)
        ids = targets(own, channels)
        for id in ids:
            yield decide(notification, known.get(id), id, own)
        if not ids:
            yield Decision(notification, None, None, _stated(notification), Reason.NO_CHANNEL)


def decide(
    notification: RoutedEvent,
    channel: RoutingChannel | None,
    channel_id: UUID | None,
    own: Preferences | None,
) -> Decision:
    """Whether it goes to that channel: first what the user wants, then what there is."""
    if channel is None:
        severity, reason = _stated(notification), Reason.CHANNEL_DELETED
        return Decision(notification, None, channel_id, severity, reason)
    severity = _stated(notification, channel["severity"])
    about = notification["event_type"], severity, channel["channel_type"]
    refused = unwanted(own, *about) if own else None
    return Decision(notification, channel, channel_id, severity, refused or _unusable(channel))


def preferences_of(
    notification: StoredEvent, preferences: Mapping[str, Preferences]
) -> Preferences | None:
    """The choice of the user that it is for, if there is one who made any."""
    user = (notification["recipient"] or {}).get("id")
    return preferences.get(user) if user else None


def _unusable(channel: RoutingChannel) -> Reason | None:
    if not channel["is_active"]:
        return Reason.CHANNEL_OFF
    if channel["integration"] is None:
        return Reason.INTEGRATION_DELETED
    return None if channel["integration"]["is_active"] else Reason.INTEGRATION_OFF


def _stated(notification: StoredEvent, default: Severity = Severity.INFO) -> Severity:
    return stated_severity(notification["event_type"], notification["metadata"]) or default
