"""Which channels an event goes to: the user's own choice, else the tenant's default channels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from domain.notification import Severity, stated_severity
from domain.preference import Preferences, chosen, wants

Notification = TypeVar("Notification", bound=Mapping[str, Any])
Channel = TypeVar("Channel", bound=Mapping[str, Any])


def routes(
    notifications: Iterable[Notification],
    channels: Sequence[Channel],
    preferences: Mapping[str, Preferences],
) -> Iterator[tuple[Notification, Channel]]:
    """Pairs of notification and channel. `channels` are the active ones; each has `id` and
    `is_default`."""
    defaults = [channel for channel in channels if channel["is_default"]]
    for notification in notifications:
        user = (notification["recipient"] or {}).get("id")
        own = preferences.get(user) if user else None
        if own is None:
            targets = defaults
        elif wants(own, notification["event_type"], _severity(notification)):
            targets = chosen(own, channels)
        else:
            targets = []
        for channel in targets:
            yield notification, channel


def _severity(notification: Mapping[str, Any]) -> Severity:
    stated = stated_severity(notification["event_type"], notification["metadata"])
    return stated or Severity.INFO
