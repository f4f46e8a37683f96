"""An alert at a Jira on this machine, whose deliveries are sent one after the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from domain.integration.outcome import Check, DeliveryFailed, Failure, Receipt
from domain.notification.event import Action
from egress.client import Egress, egress
from integrations.channel import Existing
from integrations.jira.channel import Jira
from receivers.jira.receiver import JiraReceiver
from receivers.jira.site import Issue
from receivers.receiver import serving
from tests.integrations.examples import message, outgoing

STEMS = ("jira", "jira_datacenter")
EVENTS = {
    Action.TRIGGER: "incident.created",
    Action.ACKNOWLEDGE: "incident.acknowledged",
    Action.RESOLVE: "incident.resolved",
}


class Alert:
    """`existing` is what the core knows of the alert's issue, as it would keep it."""

    def __init__(self, stem: str, receiver: JiraReceiver, out: Egress) -> None:
        self.stem, self.receiver, self.out = stem, receiver, out
        self.channel = Jira()
        self.existing = Existing()
        self.config: dict[str, Any] = {}

    async def send(self, action: Action, **changes: Any) -> Receipt:
        """Send another delivery, and keep what its receipt names."""
        id = changes.pop("delivery_id", None) or str(uuid4())
        known = {"action": action, "event_type": EVENTS[action], "delivery_id": id}
        said = message(**(known | changes))
        going = replace(
            outgoing(self.stem, self.receiver.url, said, **self.config), existing=self.existing
        )
        receipt = await self.channel.deliver(going, self.channel.request(going), self.out)
        if receipt.reference:
            self.existing = replace(self.existing, reference=receipt.reference, maybe_made=())
        return receipt

    async def failure(self, action: Action, **changes: Any) -> Failure:
        with pytest.raises(DeliveryFailed) as raised:
            await self.send(action, **changes)
        return raised.value.failure

    async def lose(self, action: Action, **changes: Any) -> str:
        """Send a delivery whose answer does not come; returns its id."""
        id = str(uuid4())
        before = self.existing
        await self.send(action, delivery_id=id, **changes)
        self.existing = replace(before, maybe_made=(*before.maybe_made, id), ago=61.0)
        return id

    async def checks(self) -> dict[str, Check]:
        going = outgoing(self.stem, self.receiver.url, **self.config)
        return {each.name: each for each in await self.channel.test(going.config, self.out)}

    @property
    def project(self) -> Any:
        return self.receiver.site.projects["OPS"]

    @property
    def issues(self) -> list[Issue]:
        return list(self.receiver.site.issues.values())

    @property
    def issue(self) -> Issue:
        [issue] = self.issues
        return issue

    @property
    def calls(self) -> list[str]:
        """What was called, without the way to the API."""
        return [
            f"{each.method} {each.path.partition('/rest/api/')[2][2:].partition('?')[0]}"
            for each in self.receiver.received
        ]

    def forget_calls(self) -> None:
        self.receiver.received.clear()


@asynccontextmanager
async def alert(stem: str = "jira", **config: Any) -> AsyncIterator[Alert]:
    receiver = JiraReceiver()
    async with serving(receiver), egress(receiver.allowed, total=2.0) as out:
        made = Alert(stem, receiver, out)
        made.config = config
        yield made


def text_of(body: Any) -> str:
    """The text of a document, or of wiki markup as it is."""
    if isinstance(body, str):
        return body
    if body.get("type") == "hardBreak":
        return "\n"
    inside = "".join(text_of(each) for each in body.get("content", []))
    end = "\n" if body.get("type") == "paragraph" else ""
    return f"{body.get('text', '')}{inside}{end}"
