"""The e-mail channel, its integration and its server, and an ordinary event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.integration.outcome import Check, DeliveryFailed, Failure, Receipt
from domain.notification.event import Action, Severity
from domain.notification.message import Message
from egress.client import Egress, egress
from integrations.channel import Outgoing
from integrations.email.channel import Email
from integrations.email.config import EmailConfig, EmailOptions
from integrations.email.smtp_waits import Waits
from receivers.smtp import Mail, SmtpReceiver, serving, trusting

MESSAGE = Message(
    delivery_id="0198c0de-0000-7000-8000-00000000000a",
    notification_id="0198c0de-0000-7000-8000-00000000000b",
    event_type="incident.created",
    action=Action.TRIGGER,
    severity=Severity.ERROR,
    title="Disk full on db-1",
    body="98 % of /var\nGrowing.",
    alert_key="incident_INC1",
    created_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
    url="https://firelater.example/incidents/INC1?a=1&b=2",
    entity_type="incident",
    entity_id="INC1",
    facts=(("host", "db-1"), ("<b>", "a & b")),
)
SENDER = "notices@firelater.example"


@dataclass
class Post:
    """The channel, its integration and the server that it talks to."""

    receiver: SmtpReceiver
    out: Egress
    config: dict[str, Any]
    waits: Waits = field(default_factory=Waits)

    @property
    def channel(self) -> Email:
        return Email(trust=lambda: trusting(self.receiver), waits=self.waits)

    async def send(
        self,
        message: Message = MESSAGE,
        options: dict[str, Any] | None = None,
        recipient: str = "",
        **config: Any,
    ) -> Receipt:
        integration = EmailConfig.model_validate({**self.config, **config})
        outgoing = Outgoing(
            message, integration, EmailOptions.model_validate(options or {}), recipient
        )
        return await self.channel.deliver(outgoing, self.channel.request(outgoing), self.out)

    async def failure(
        self, message: Message = MESSAGE, recipient: str = "", **config: Any
    ) -> Failure:
        with pytest.raises(DeliveryFailed) as failed:
            await self.send(message, recipient=recipient, **config)
        return failed.value.failure

    async def test(self, **config: Any) -> dict[str, Check]:
        integration = EmailConfig.model_validate({**self.config, **config})
        return {check.name: check for check in await self.channel.test(integration, self.out)}

    @property
    def mail(self) -> Mail:
        [mail] = self.receiver.received
        return mail


@asynccontextmanager
async def posting(receiver: SmtpReceiver, wait: float | None = None) -> AsyncIterator[Post]:
    """`wait`: seconds that each step may take, instead of the minutes that it has."""
    waits = Waits() if wait is None else Waits(*[wait] * len(fields(Waits)))
    async with serving(receiver), egress(receiver.allowed) as out:
        config = {
            "host": "127.0.0.1",
            "port": receiver.port,
            "security": receiver.security,
            "username": receiver.username,
            "password": receiver.password,
            "fromAddress": SENDER,
            "to": ["ops@example.com"],
        }
        yield Post(receiver, out, config, waits)
