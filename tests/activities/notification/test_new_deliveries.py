"""Routing makes one delivery per recipient and sends once to each place."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from activities.integration.target import Target, Unusable
from activities.notification.new_deliveries import routed
from domain.integration.stored import SealedIntegration, SendingIntegration
from domain.notification.delivery import Reason
from domain.notification.event import Severity
from domain.notification.routing import RoutedEvent, RoutingChannel, routes
from domain.redaction import Redactor
from domain.tenant import TenantId
from integrations.channel import ChannelConfig, ChannelOptions, Outgoing

TENANT = TenantId("a" * 26)
EVENT: RoutedEvent = {
    "id": UUID(int=9),
    "event_type": "incident.created",
    "title": "t",
    "body": "",
    "entity_type": "incident",
    "entity_id": "INC1",
    "metadata": {},
    "recipient": {"id": "u-1", "email": "jo@acme.example"},
    "created_at": datetime.now(UTC),
    "expires_at": None,
    "resent_at": None,
    "origin": None,
}


class Named(ChannelOptions):
    to: tuple[str, ...] = ()


class Posting(Unusable):
    """A channel that sends to the recipients in its options and to the event's user."""

    options = Named

    def __init__(self) -> None:
        super().__init__("")

    def recipients(self, outgoing: Outgoing[ChannelConfig]) -> tuple[str, ...]:
        user = outgoing.message.recipient
        return (*outgoing.options.to, *([user] if user else []))


class Fixed:
    """A channel whose integrations all lead to one server."""

    def of(self, tenant_id: TenantId, row: SealedIntegration) -> Target:
        return Target(tenant_id, row["id"], Posting(), ChannelConfig(), Redactor({}))


def channel(number: int, *to: str, integration: int = 1) -> RoutingChannel:
    row: SendingIntegration = {
        "id": UUID(int=integration),
        "type": "email",
        "config": {},
        "credentials": None,
        "version": 1,
        "is_active": True,
        "connection_status": "connected",
        "last_error": None,
        "places": {},
        "in_doubt": False,
    }
    return {
        "id": UUID(int=number),
        "channel_type": "email",
        "options": {"to": list(to)},
        "is_default": True,
        "is_active": True,
        "integration_id": row["id"],
        "integration": row,
        "severity": Severity.INFO,
    }


def told(*channels: RoutingChannel, **changed: Any) -> list[tuple[int | None, str, Reason | None]]:
    decisions = routes([cast("RoutedEvent", {**EVENT, **changed})], channels, {})
    found = routed(Fixed(), TENANT, decisions)  # type: ignore[arg-type]
    return [(r.channel_id.int if r.channel_id else None, r.recipient, r.reason) for r in found]


def test_each_channel_tells_its_own_and_the_user_is_told_once() -> None:
    assert told(channel(1, "ops@x.example"), channel(2, "managers@x.example")) == [
        (1, "ops@x.example", None),
        (1, "jo@acme.example", None),
        (2, "managers@x.example", None),
        (2, "jo@acme.example", Reason.SAME_DESTINATION),
    ]


def test_an_address_that_a_channel_names_twice_is_told_once() -> None:
    assert told(channel(1, "a@x.example", "a@x.example"), recipient=None) == [
        (1, "a@x.example", None)
    ]


def test_another_integration_is_another_place() -> None:
    found = told(channel(1, "a@x.example"), channel(2, "a@x.example", integration=2))
    assert [reason for *_, reason in found] == [None] * 4


@pytest.mark.parametrize("to", [(), ("",)])
def test_a_channel_without_recipients_is_on_record(to: tuple[str, ...]) -> None:
    reason = None if to else Reason.NO_RECIPIENT
    assert told(channel(1, *to), recipient=None) == [(1, "", reason)]


def test_only_events_of_an_entity_have_an_order() -> None:
    [ordered] = routed(Fixed(), TENANT, routes([EVENT], [channel(1)], {}))  # type: ignore[arg-type]
    free = EVENT | {"entity_id": None}
    [unordered] = routed(Fixed(), TENANT, routes([free], [channel(1)], {}))  # type: ignore[arg-type]
    assert (ordered.alert_key, unordered.alert_key) == ("incident_INC1", None)
