"""Makes deliveries of decisions: one for each recipient, and each destination told once."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from activities.places import place_of
from activities.target import Target, Targets
from channels.channel import Outgoing
from channels.options import read
from domain.delivery import LATEST_SECONDS, Reason
from domain.message import Message, render
from domain.notification import Severity, action, deadline
from domain.preference import Preferences
from domain.routing import Decision, decide, preferences_of, routes
from domain.tenant import TenantId
from storage.route import Place, Route
from storage.statement import Row, as_json


class Messages:
    """Renders an event once for all channels that it goes to; they differ in a default only."""

    def __init__(self) -> None:
        self._of: tuple[UUID | None, dict[Severity, Message]] = (None, {})

    def of(self, notification: Row, default: Severity) -> Message:
        id, rendered = self._of
        if id != notification["id"]:
            id, rendered = self._of = notification["id"], {}
        if default not in rendered:
            rendered[default] = render("", notification, default)
        return rendered[default]


def routed(
    targets: Targets,
    tenant_id: TenantId,
    decisions: Iterable[Decision],
    taken: Collection[Place] = (),
) -> Iterator[Route]:
    """Every decision's deliveries. The second that leads to the same place is not sent; `taken`
    are those that are led to already."""
    led_to, messages = set(taken), Messages()
    for decision in decisions:
        for route in routes_of(targets, tenant_id, decision, messages):
            if route.goes_out and route.place in led_to:
                yield replace(route, reason=Reason.SAME_DESTINATION)
                continue
            if route.goes_out:
                led_to.add(route.place)
            yield route


def decisions_again(
    row: Row, channels: Sequence[Row], preferences: Mapping[str, Preferences]
) -> list[Decision]:
    """What is decided of a delivery that is sent again: of its channel, if it has one."""
    id = row["channel_id"]
    if id is None:
        return list(routes([row], channels, preferences))
    channel = next((each for each in channels if each["id"] == id), None)
    return [decide(row, channel, id, preferences_of(row, preferences))]


def is_of(route: Route, row: Row) -> bool:
    """Whether the delivery is the one of that channel and recipient."""
    return (route.channel_id, route.recipient) == (row["channel_id"], row["told"])


def lasts_as_before(route: Route, row: Row) -> Route:
    """With no less time than the delivery had, which may have been sent again since its event."""
    before = row["deadline_at"]
    return route if before is None else replace(route, deadline_at=max(route.deadline_at, before))


def unplaced(row: Row, instead: Route) -> Route:
    """Why the delivery's recipient is told no more: for the reason of what the channel does now,
    or because it tells others."""
    reason = Reason.NO_RECIPIENT if row["told"] else Reason.SAME_DESTINATION
    return replace(instead, recipient=row["told"], reason=instead.reason or reason)


def routes_of(
    targets: Targets, tenant_id: TenantId, decision: Decision, messages: Messages
) -> list[Route]:
    """One for each recipient, or one that says why there is none."""
    if decision.channel is None or decision.reason is not None:
        return [_unsent(decision, decision.reason)]
    target = targets.of(tenant_id, decision.channel["integration"])
    options, _ = read(
        target.channel, decision.channel["options"]
    )  # invalid ones are said at a send
    message = messages.of(decision.notification, target.config.severity)
    outgoing = Outgoing(message, target.config, options)
    recipients = target.channel.recipients(outgoing)
    if not recipients:
        return [_unsent(decision, Reason.NO_RECIPIENT)]
    sent = _sent(decision, decision.channel, target, outgoing)
    return [replace(sent, recipient=each) if each else sent for each in dict.fromkeys(recipients)]


def _sent(decision: Decision, channel: Row, target: Target, outgoing: Outgoing[Any]) -> Route:
    message = outgoing.message
    names_entity = message.entity_type is not None and message.entity_id is not None
    return Route(
        **_decided(decision),
        recipient="",
        destination=place_of(target, outgoing, channel),
        alert_key=message.alert_key if names_entity else None,
        deadline_at=_deadline(decision.notification, target.channel.limits.schedule.lasts),
    )


def _unsent(decision: Decision, reason: Reason | None) -> Route:
    return Route(
        **_decided(decision),
        recipient="",
        destination="",
        alert_key=None,
        deadline_at=_deadline(decision.notification, LATEST_SECONDS),
        reason=reason,
    )


def _deadline(event: Row, lasts: float) -> datetime:
    """Of an event that is sent again, as if it were new now: by its own time it may be over."""
    latest = (event["resent_at"] or event["created_at"]) + timedelta(seconds=lasts)
    expires_at = None if event["resent_at"] else event["expires_at"]
    return deadline(event["created_at"], expires_at, latest)


def _decided(decision: Decision) -> dict[str, Any]:
    """What a route has of its decision, wherever it leads."""
    notification, channel = decision.notification, decision.channel or {}
    return {
        "notification_id": notification["id"],
        "channel_id": decision.channel_id,
        "channel_type": channel.get("channel_type"),
        "integration_id": channel.get("integration_id"),
        "options": as_json(channel.get("options", {})),
        "action": action(notification["event_type"]),
        "rank": decision.severity.rank,
    }
