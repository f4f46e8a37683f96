"""Opsgenie and Jira Service Management: alerts that are created, acknowledged and closed by alias.

A create with the alias of an open alert only counts it up (docs.opsgenie.com, "Alert API"): its
title stands in the alert's activity log, its description nowhere. So the words of an event about an
alert that we opened before are added as a note, by a request of its own, as it is not documented
what becomes of a create's own `note` then. A note alone would not do: if a person has closed the
alert, the create opens another.
"""

import asyncio

from domain.integration.outcome import Check, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import PROMPT
from domain.json_document import Json
from domain.notification import event
from domain.notification.message import Message
from egress.client import Egress
from integrations.channel import ChannelOptions, Limits, Outgoing
from integrations.opsgenie.checks import checks_of
from integrations.opsgenie.client import Action, Client, Progress, State
from integrations.opsgenie.config import OpsgenieConfig
from integrations.opsgenie.content import alert, alias_of, note
from integrations.opsgenie.inbound import OpsgenieInbound
from integrations.opsgenie.order import Earlier, referring, waiting

_ACTIONS = {
    event.Action.TRIGGER: Action.CREATE,
    event.Action.ACKNOWLEDGE: Action.ACKNOWLEDGE,
    event.Action.RESOLVE: Action.CLOSE,
}


class Opsgenie:
    """Sends deliveries as requests about alerts; a recorded request lacks the key, a secret.

    The vendor's rate depends on the account's plan and size. The one here leaves room for asking
    what became of each request.
    """

    kind = "opsgenie"
    title = "Opsgenie"
    description = "Create alerts in Opsgenie or Jira Service Management"
    config = OpsgenieConfig
    options = ChannelOptions
    signing = None
    inbound = OpsgenieInbound()
    limits = Limits(PROMPT, idempotent=True, rate=Rate(60, 60.0), stateful=True, tracked=True)

    def destination(self, outgoing: Outgoing[OpsgenieConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[OpsgenieConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[OpsgenieConfig]) -> Json:
        message, config = outgoing.message, outgoing.config
        action = _action(message)
        made: Json = {"action": str(action), "alias": alias_of(message.alert_key)}
        if action is not Action.CREATE:
            return made | {"body": note(message, config)}
        added = {"note": note(message, config)} if Earlier.of(outgoing).has_opened else {}
        return made | {"body": alert(message, config)} | added

    async def deliver(
        self, outgoing: Outgoing[OpsgenieConfig], request: Json, egress: Egress
    ) -> Receipt:
        config, earlier = outgoing.config, Earlier.of(outgoing)
        client, action, alias = Client(config, egress), Action(request["action"]), request["alias"]
        await earlier.settle(client, action)
        posted = [taken := await client.post(action, alias, request["body"])]
        if "note" in request:
            posted.append(await client.post(Action.NOTE, alias, request["note"]))
        found = await asyncio.gather(*(client.follow(each.id) for each in posted))
        progress = found[0]
        _check(progress, action, client, earlier)
        reference = referring(config.base, alias, action, taken, progress)
        if action is Action.NOTE:  # which leaves the alert as it is
            reference = dict(earlier.reference or {"site": config.base, "alias": alias})
        confirmed = all(each.state is State.DONE for each in found)
        return Receipt(confirmed, taken.code, reference, progress.response or taken.response)

    async def test(self, config: OpsgenieConfig, egress: Egress) -> list[Check]:
        return await checks_of(config, Client(config, egress))


def _action(message: Message) -> Action:
    """What a message does; one that a later message has overtaken changes nothing any more."""
    return Action.NOTE if message.latest is not None else _ACTIONS[message.action]


def _check(progress: Progress, action: Action, client: Client, earlier: Earlier) -> None:
    """Raises DeliveryFailed if the request has failed, unless there was nothing to change."""
    if progress.state is not State.FAILED:
        return
    if action is Action.CREATE or not progress.is_pointless:
        raise client.failed(progress)
    if earlier.may_open and action is not Action.NOTE:
        raise waiting("this alert is not open, but an earlier request may still open it")
