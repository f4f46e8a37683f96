"""ServiceNow: one record (an incident) for each entity, whose state follows its events.

A trigger makes an incident, or adds a work note to the one that is there and reopens it; an
acknowledgement sets it in progress, a resolve resolves it. ServiceNow documents no rate: an
instance has rules of its own (429), and no key that makes a request harmless to repeat, so that
what may have arrived is looked for first (delivery.py).
"""

from dataclasses import dataclass, field, replace

from domain.integration.outcome import Check, DeliveryFailed, Receipt
from domain.integration.retry_schedule import PROMPT
from domain.json_document import Json
from domain.notification.event import Action
from egress.client import Egress
from integrations.channel import Limits, Outgoing
from integrations.oauth import Tokens
from integrations.servicenow.check import check_connection
from integrations.servicenow.client import Client
from integrations.servicenow.config import ServiceNowConfig, ServiceNowOptions
from integrations.servicenow.content import note, record, resolution
from integrations.servicenow.delivery import Delivery, reference_to, referred
from integrations.servicenow.life import begins


@dataclass(frozen=True)
class ServiceNow:
    """Writes to one table; `tokens` are the access tokens of this process."""

    tokens: Tokens = field(default_factory=Tokens)

    kind = "servicenow"
    title = "ServiceNow"
    description = "Integrate with ServiceNow ITSM"
    config = ServiceNowConfig
    options = ServiceNowOptions
    signing = None
    inbound = None
    limits = Limits(PROMPT, idempotent=True, stateful=True, tracked=True)

    def destination(self, outgoing: Outgoing[ServiceNowConfig]) -> str:
        """The group that new incidents are assigned to; "" if nobody names one."""
        return _group(outgoing) or ""

    def recipients(self, outgoing: Outgoing[ServiceNowConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[ServiceNowConfig]) -> Json:
        """What may be written: which of it is, the record's state decides."""
        message, config = outgoing.message, outgoing.config
        known = referred(outgoing.existing, config)
        may: Json = {"note": note(message)}
        if begins(message):
            may["create"] = record(message, config, _group(outgoing))
        if message.action is Action.RESOLVE:
            may["resolve"] = resolution(message, config)
        return may | ({"record": reference_to(known, config)} if known else {})

    async def deliver(
        self, outgoing: Outgoing[ServiceNowConfig], request: Json, egress: Egress
    ) -> Receipt:
        client = Client(outgoing.config, self.tokens, egress)
        try:
            return await Delivery(outgoing, request, client).send()
        except DeliveryFailed as error:
            if client.has_written:
                raise
            raise DeliveryFailed(replace(error.failure, maybe_sent=False)) from None

    async def test(self, config: ServiceNowConfig, egress: Egress) -> list[Check]:
        return await check_connection(config, Client(config, self.tokens, egress))


def _group(outgoing: Outgoing[ServiceNowConfig]) -> str | None:
    options: ServiceNowOptions = outgoing.options
    return options.assignment_group or outgoing.config.assignment_group
