"""Turns routing decisions into deliveries: one per recipient, and none twice to one place."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from activities.integration.target import Target, Targets
from activities.notification.places import known_as
from domain.integration.retry_schedule import USUAL_LIFE
from domain.integration.stored import SendingIntegration
from domain.notification.delivery import Reason
from domain.notification.event import Severity, StoredEvent, action, alert_key, deadline
from domain.notification.message import Message, render
from domain.notification.preference import Preferences
from domain.notification.routing import (
    Decision,
    RoutedEvent,
    RoutingChannel,
    decide,
    preferences_of,
    routes,
)
from domain.tenant import TenantId
from integrations.channel import ChannelOptions, Outgoing
from integrations.options import read
from storage.notification.routing.new_deliveries import MarkedDelivery, Place, Route
from storage.postgres.statement import as_json

_DESTINATION_CHARS = 200  # no more than Channel.destination promises


@dataclass(frozen=True, slots=True)
class Way:
    """A notification channel with its opened integration, the same for all events that go there.

    `place`: a destination of the channel's own, which is used if its options are not valid.
    Deliveries that wait for the options to be corrected must not hold up those to real places.
    """

    integration: SendingIntegration
    target: Target
    options: ChannelOptions
    place: str | None

    def leads_to(self, outgoing: Outgoing[Any]) -> str:
        """The destination of the message, by the vendor's name for it if that is known."""
        if self.place is not None:
            return self.place
        destination = self.target.channel.destination(outgoing)[:_DESTINATION_CHARS]
        return known_as(self.integration, destination)


class Ways:
    """The ways of one request. They also render its events: an event's messages in several channels
    differ only in the channel's default severity, so each is rendered once per severity."""

    def __init__(self, targets: Targets, tenant_id: TenantId) -> None:
        self._targets, self._tenant_id = targets, tenant_id
        self._of: dict[UUID, Way] = {}
        self._rendered: tuple[UUID | None, dict[Severity, Message]] = (None, {})

    def of(self, channel: RoutingChannel) -> Way:
        if channel["id"] not in self._of:
            self._of[channel["id"]] = self._way(channel)
        return self._of[channel["id"]]

    def _way(self, channel: RoutingChannel) -> Way:
        integration = channel["integration"]
        assert integration is not None, "a channel without integration has a reason not to send"
        target = self._targets.of(self._tenant_id, integration)
        options, fault = read(target.channel, channel["options"])  # the send reports the fault
        place = f"channel {channel['id']}" if fault else None
        return Way(integration, target, options, place)

    def message(self, notification: StoredEvent, default: Severity) -> Message:
        id, rendered = self._rendered
        if id != notification["id"]:
            id, rendered = self._rendered = notification["id"], {}
        if default not in rendered:
            rendered[default] = render("", notification, default)
        return rendered[default]


def routed(
    targets: Targets,
    tenant_id: TenantId,
    decisions: Iterable[Decision],
    taken: Collection[Place] = (),
) -> Iterator[Route]:
    """The deliveries of all decisions. A second one to the same place is recorded as not sent;
    `taken` are the places that existing deliveries lead to."""
    led_to, ways = set(taken), Ways(targets, tenant_id)
    for decision in decisions:
        for route in _routes_of(ways, decision):
            place = route.place
            if route.goes_out and place in led_to:
                yield route._replace(reason=Reason.SAME_DESTINATION)
                continue
            if route.goes_out:
                led_to.add(place)
            yield route


def decisions_again(
    row: MarkedDelivery,
    channels: Sequence[RoutingChannel],
    preferences: Mapping[str, Preferences],
) -> list[Decision]:
    """The decisions for a delivery that is routed again: on its channel if it has one, else on all
    channels of its event."""
    id = row["channel_id"]
    if id is None:
        return list(routes([row], channels, preferences))
    channel = next((each for each in channels if each["id"] == id), None)
    return [decide(row, channel, id, preferences_of(row, preferences))]


def is_of(route: Route, row: MarkedDelivery) -> bool:
    """Whether the route is for the channel and the recipient of the delivery."""
    return (route.channel_id, route.recipient) == (row["channel_id"], row["told"])


def lasts_as_before(route: Route, row: MarkedDelivery) -> Route:
    """The route with a deadline that is no earlier than the delivery's, which may be later than its
    event allows if the delivery was sent again before."""
    before = row["deadline_at"]
    return route if before is None else route._replace(deadline_at=max(route.deadline_at, before))


def unplaced(row: MarkedDelivery, instead: Route) -> Route:
    """The route of a delivery to a recipient that its channel no longer has. It is not sent.

    The reason is that of `instead`, the channel's route now, if this is not sent either. Else it is
    `no_recipient`, or `same_destination` if the delivery named no recipient and the channel has
    some now.
    """
    reason = Reason.NO_RECIPIENT if row["told"] else Reason.SAME_DESTINATION
    return instead._replace(recipient=row["told"], reason=instead.reason or reason)


def _routes_of(ways: Ways, decision: Decision) -> list[Route]:
    """One route per recipient, or a single one with the reason why nothing is sent."""
    if decision.channel is None or decision.reason is not None:
        return [_unsent(decision, decision.reason)]
    way = ways.of(decision.channel)
    config = way.target.config
    message = ways.message(decision.notification, config.severity)
    outgoing = Outgoing(message, config, way.options)
    recipients = way.target.channel.recipients(outgoing)
    if not recipients:
        return [_unsent(decision, Reason.NO_RECIPIENT)]
    sent = _sent(decision, way, outgoing)
    return [sent._replace(recipient=each) if each else sent for each in dict.fromkeys(recipients)]


def _sent(decision: Decision, way: Way, outgoing: Outgoing[Any]) -> Route:
    route = _route(decision, way.target.channel.limits.schedule.lasts)
    return route._replace(destination=way.leads_to(outgoing))


def _unsent(decision: Decision, reason: Reason | None) -> Route:
    return _route(decision, USUAL_LIFE)._replace(reason=reason)


def _route(decision: Decision, lasts: float) -> Route:
    """The part of a route that follows from its decision; `lasts`: seconds until its deadline."""
    notification, channel = decision.notification, decision.channel
    entity = notification["entity_type"], notification["entity_id"]
    return Route(
        notification_id=notification["id"],
        channel_id=decision.channel_id,
        channel_type=None if channel is None else channel["channel_type"],
        recipient="",
        integration_id=None if channel is None else channel["integration_id"],
        options=as_json({} if channel is None else channel["options"]),
        destination="",
        alert_key=alert_key(str(notification["id"]), *entity) if all(entity) else None,
        action=action(notification["event_type"]),
        rank=decision.severity.rank,
        deadline_at=_deadline(notification, lasts),
    )


def _deadline(event: RoutedEvent, lasts: float) -> datetime:
    """The deadline of the event's deliveries. An event that is sent again counts as new, and
    without its `expires_at`, which may have passed."""
    latest = (event["resent_at"] or event["created_at"]) + timedelta(seconds=lasts)
    expires_at = None if event["resent_at"] else event["expires_at"]
    return deadline(event["created_at"], expires_at, latest)
