"""What a connection test can prove without anybody noticing it."""

from uuid import uuid4

from domain.integration.outcome import Check, DeliveryFailed
from integrations.opsgenie.client import Action, Client, Progress, State
from integrations.opsgenie.config import OpsgenieConfig
from integrations.reply import json_object

_WRITING, _READING = "API key may write", "API key may read"
_WROTE = (
    "{vendor} took the close of an alert that does not exist (202): it can be reached, and the key"
    " may change alerts; nothing was opened and nobody was notified. Not proved: that the rules of"
    " the integration create an alert, that its responders exist, and that anybody is on call"
)
_READ = "{what}: deliveries are confirmed as `delivered`"
_BLIND = (
    "{what}, so deliveries will be `accepted`, never `delivered`: give the key the right to read"
)
_END = (
    "Opsgenie stops on 5 April 2027 (it has not been sold since 4 June 2025). Before that, move to"
    " Jira Service Management, and set region to `jsm` and the key to that of an API integration"
    " there; aliases stay the same, but alerts that are open at that time are not found there"
)
_MAY_NOT = (402, 403)


async def checks_of(config: OpsgenieConfig, client: Client) -> list[Check]:
    """Closes an alert that does not exist, which changes nothing: "Alert does not exist"."""
    probe = f"probe-{uuid4()}"
    try:
        taken = await client.post(Action.CLOSE, probe, {"source": config.source})
        progress = await client.follow(taken.id)
        if progress.state is State.FAILED and not progress.is_pointless:
            raise client.failed(progress)
        checks = [Check(_WRITING, True, _WROTE.format(vendor=config.vendor))]
    except DeliveryFailed as error:
        progress = Progress(State.UNSEEN)
        checks = [Check.failed(_WRITING, error)]
    if config.region == "jsm":
        return [*checks, *_followed(checks, progress)]
    return [*checks, await _check_listing(client), Check("end of life", True, _END)]


def _followed(checks: list[Check], progress: Progress) -> list[Check]:
    """Jira Service Management documents no call that reads with this key, but it has Opsgenie's
    for the result of a request, and that is all that is read here."""
    if not checks[0].ok:
        return []
    if progress.state is State.UNSEEN:
        return [Check(_READING, True, _BLIND.format(what="the result of the close was not told"))]
    return [Check(_READING, True, _READ.format(what="the result of the close could be asked for"))]


async def _check_listing(client: Client) -> Check:
    """A key without the right to read is no failure: sending does not need it."""
    try:
        reply = await client.list_alerts()
        if reply.status in _MAY_NOT:
            what = f"GET /v2/alerts was answered {reply.status}"
            return Check(_READING, True, _BLIND.format(what=what))
        if reply.status != 200 or "data" not in json_object(reply):
            raise client.refused(reply)
    except DeliveryFailed as error:
        return Check.failed(_READING, error)
    what = "GET /v2/alerts took the key (200), which proves nothing about writing"
    return Check(_READING, True, _READ.format(what=what))
