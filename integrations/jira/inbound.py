"""Jira's webhooks: statuses that people give to the issues of alerts.

Source: developer.atlassian.com, "Webhooks" of Jira Cloud ("Secure admin webhooks": the signature)
and of Jira Data Center. Nothing that is signed has an id, so a repeated call is known by its
digest; the header `X-Atlassian-Webhook-Identifier` is not signed.
"""

from collections.abc import Iterator
from typing import Any

from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.inbound import VendorAction
from integrations.inbound import Call, Forged, Report, digest, hmac_sha256, is_among
from integrations.jira.config import JiraConfig
from integrations.jira.issue import ACTIVE, DONE, NEW, issue_of
from integrations.reply import json_of

# An issue that is over and is given one of the other statuses opens again, and is acknowledged if
# that status says that somebody works on it.
_ACTIONS = {
    NEW: (Action.TRIGGER,),
    ACTIVE: (Action.TRIGGER, Action.ACKNOWLEDGE),
    DONE: (Action.RESOLVE,),
}
_WHO = ("accountId", "key", "name")  # of Cloud; of Data Center, where either may be missing


class JiraInbound:
    """Reads the calls of a webhook for the event "issue updated"."""

    shows_own = True

    def is_ready(self, config: JiraConfig) -> bool:
        return config.webhook_secret is not None

    def read(self, config: JiraConfig, call: Call) -> Report:
        assert config.webhook_secret is not None, "the caller has asked `is_ready`"
        expected = f"sha256={hmac_sha256(config.webhook_secret.get_secret_value(), call.body)}"
        if not is_among(expected, [call.headers.get("x-hub-signature", "")]):
            raise Forged("X-Hub-Signature does not fit webhookSecret")
        return Report(digest(call.body), tuple(_actions_of(json_of(call.body), config)))


def _actions_of(said: Json, config: JiraConfig) -> Iterator[VendorAction]:
    """What a person did to the issue's status; nothing for what its creator does, which is this
    service: the account that makes the issues also moves them."""
    issue, person = issue_of(said.get("issue")), _object(said.get("user"))
    if said.get("webhookEvent") != "jira:issue_updated" or issue is None:
        return
    fields = _object(_object(said.get("issue")).get("fields"))
    if not _moves(said) or _is_same(person, _object(fields.get("creator"))):
        return
    reference = (("site", config.site), ("id", issue.id))
    for action in _ACTIONS.get(issue.status.category, ()):
        name = str(person.get("displayName") or "")
        yield VendorAction(action, "", name, reference=reference)


def _moves(said: Json) -> bool:
    """Whether the issue got another status."""
    items = _object(said.get("changelog")).get("items")
    changed = items if isinstance(items, list) else []
    return any(_object(each).get("field") == "status" for each in changed)


def _is_same(one: Json, other: Json) -> bool:
    return any(one.get(name) and one.get(name) == other.get(name) for name in _WHO)


def _object(said: Any) -> Json:
    return said if isinstance(said, dict) else {}
