"""Deliveries through the channel to its receiver, each knowing what the one before left behind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.integration.outcome import DeliveryFailed, Failure, Receipt
from domain.notification.message import Latest, Message
from egress.client import egress
from integrations.channel import Existing, Outgoing
from integrations.opsgenie.channel import Opsgenie
from integrations.opsgenie.config import OpsgenieConfig
from receivers.opsgenie import OpsgenieReceiver
from tests.integrations.examples import message, outgoing

CHANNEL = Opsgenie()
LATEST = Latest("incident.resolved", "It is over", datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
ALIAS = "incident_INC-1042"


def request(said: Message | None = None, **config: Any) -> dict[str, Any]:
    """What the channel asks of the vendor, for an alert that it has not heard of."""
    return CHANNEL.request(outgoing("opsgenie", "https://api.example", said or message(), **config))


def body(said: Message | None = None, **config: Any) -> dict[str, Any]:
    made: dict[str, Any] = request(said, **config)["body"]
    return made


@dataclass
class Line:
    """The deliveries of one alert in their order, as the service would send them."""

    receiver: OpsgenieReceiver
    reference: Mapping[str, str] | None = None
    maybe_made: tuple[str, ...] = ()
    ago: float = 0.0

    async def send(self, said: Message, **config: Any) -> Receipt:
        going: Outgoing[OpsgenieConfig] = outgoing("opsgenie", self.receiver.url, said, **config)
        going = replace(going, existing=Existing(self.reference, self.maybe_made, self.ago))
        async with egress(self.receiver.allowed) as out:
            receipt = await CHANNEL.deliver(going, CHANNEL.request(going), out)
        self.reference = receipt.reference
        return receipt

    async def fail(self, said: Message, **config: Any) -> Failure:
        with pytest.raises(DeliveryFailed) as raised:
            await self.send(said, **config)
        return raised.value.failure

    def age(self, seconds: float) -> None:
        """Let time pass since the last request was taken."""
        assert self.reference is not None
        at = datetime.fromisoformat(self.reference["at"]) - timedelta(seconds=seconds)
        self.reference = {**self.reference, "at": at.isoformat()}


def posts(receiver: OpsgenieReceiver) -> list[tuple[str, dict[str, Any]]]:
    """The path and the body of each request that asked for a change."""
    return [
        (each.path, json.loads(each.body)) for each in receiver.received if each.method == "POST"
    ]


def questions(receiver: OpsgenieReceiver) -> int:
    """How often the channel asked what became of a request."""
    return len([each for each in receiver.received if "/requests/" in each.path])
