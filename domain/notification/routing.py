"""Which channels an event goes to: the user's own choice, else the tenant's default channels.

If an event is not sent to one of these channels, its decision says why.
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
    """An event to be routed; `resent_at` is when somebody asked to send it again, if so. `origin`
    is the integration in whose tool a person did what the event tells, if so."""

    expires_at: datetime | None
    origin: UUID | None
    resent_at: datetime | None


class StoredChannel(TypedDict):
    """A notification channel with its integration, which is None once it is deleted."""

    id: UUID
    channel_type: str
    options: Json
    is_default: bool
    is_active: bool
    integration_id: UUID | None
    integration: SendingIntegration | None


class RoutingChannel(StoredChannel):
    """A channel that events are routed to; events that state no severity get its `severity`."""

    severity: Severity


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a notification goes to one channel; `reason` says why it does not, and is None if it
    does.

    `channel` is None if no channel has the `channel_id` (any more). Both are None if there is no
    channel to send to.
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
    """At least one decision for each notification; `preferences` are by the id of their user."""
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
    """Whether the notification goes to that channel: if the user wants it, and the channel and its
    integration are there and switched on."""
    if channel is None:
        gone = Reason.CHANNEL_DELETED
        return Decision(notification, None, channel_id, _stated(notification), gone)
    severity = _stated(notification, channel["severity"])
    about = notification["event_type"], severity, channel["channel_type"]
    refused = unwanted(own, *about) if own else None
    reason = refused or _unusable(channel) or _done_there(notification, channel)
    return Decision(notification, channel, channel_id, severity, reason)


def preferences_of(
    notification: StoredEvent, preferences: Mapping[str, Preferences]
) -> Preferences | None:
    """The preferences of the user whom the event is for; None if there are none."""
    user = (notification["recipient"] or {}).get("id")
    return preferences.get(user) if user else None


def _done_there(notification: RoutedEvent, channel: RoutingChannel) -> Reason | None:
    origin = notification["origin"]
    is_there = origin is not None and origin == channel["integration_id"]
    return Reason.DONE_THERE if is_there else None


def _unusable(channel: RoutingChannel) -> Reason | None:
    if not channel["is_active"]:
        return Reason.CHANNEL_OFF
    if channel["integration"] is None:
        return Reason.INTEGRATION_DELETED
    return None if channel["integration"]["is_active"] else Reason.INTEGRATION_OFF


def _stated(notification: StoredEvent, default: Severity = Severity.INFO) -> Severity:
    return stated_severity(notification["event_type"], notification["metadata"]) or default
