"""An instance of ServiceNow with a channel to it, and the events of one entity."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from domain.integration.outcome import DeliveryFailed, Failure, Receipt
from domain.notification.event import Action
from domain.notification.message import Message
from egress.client import Egress
from integrations.channel import Existing
from integrations.servicenow.channel import ServiceNow
from receivers.servicenow import ServiceNowReceiver
from receivers.servicenow.table import Record
from tests.integrations.examples import message, outgoing

FIRST, SECOND = (f"019ab0de-0000-7000-8000-00000000000{each}" for each in "12")
SETTLED = 60.0  # seconds after which an instance is done with an attempt
ACK, RESOLVE = Action.ACKNOWLEDGE, Action.RESOLVE


def later(action: Action = Action.TRIGGER, **changes: Any) -> Message:
    """The second event of the entity."""
    return message(delivery_id=SECOND, action=action, title="Later", **changes)


@dataclass
class Instance:
    receiver: ServiceNowReceiver
    out: Egress
    channel: ServiceNow = field(default_factory=ServiceNow)

    async def send(self, said: Message, existing: Existing | None = None, **config: Any) -> Receipt:
        going = outgoing("servicenow", self.receiver.url, said, **config)
        going = replace(going, existing=existing or Existing())
        return await self.channel.deliver(going, self.channel.request(going), self.out)

    async def failure(
        self, said: Message, existing: Existing | None = None, **config: Any
    ) -> Failure:
        with pytest.raises(DeliveryFailed) as raised:
            await self.send(said, existing, **config)
        return raised.value.failure

    async def begin(self, **values: str) -> Existing:
        """An incident made by the first event, then changed by people; what is known of it."""
        receipt = await self.send(message(delivery_id=FIRST))
        self.incident.values.update(values)
        return Existing(receipt.reference)

    @property
    def incident(self) -> Record:
        """The incident that was made last."""
        return self.receiver.incidents[-1]

    @property
    def notes(self) -> list[str]:
        """The work notes of the incident that was made last."""
        return [entry.text for entry in self.incident.journals.get("work_notes", [])]

    @property
    def calls(self) -> list[str]:
        """The methods of all requests."""
        return [each.method for each in self.receiver.received]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was written, in its order."""
        sent = [each for each in self.receiver.received if each.method in ("POST", "PATCH")]
        return [json.loads(each.body) for each in sent if each.path.startswith("/api/")]
