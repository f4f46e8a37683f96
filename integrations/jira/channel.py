"""Jira: one issue for each alert, which comments and transitions keep up to date.

Source: developer.atlassian.com, "The Jira Cloud platform REST API" (v3) and "Jira Data Center REST
API" (v2), and "Rate limiting": 20 writes in 2 s and 100 in 30 s to one issue, hence the rate. Jira
knows no key of idempotency, so issues and comments carry the id of their delivery, by which they
are found before they would be made again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import PROMPT
from domain.json_document import Json
from domain.notification.event import Action, action
from domain.notification.message import Message
from egress.client import Egress, Reply
from integrations.channel import Limits, Outgoing
from integrations.jira import adf, wiki
from integrations.jira.checks import check
from integrations.jira.client import Client, is_success
from integrations.jira.config import JiraConfig, JiraOptions
from integrations.jira.content import Content, comment, description, summary
from integrations.jira.errors import Deed
from integrations.jira.inbound import JiraInbound
from integrations.jira.issue import (
    ACTIVE,
    DONE,
    INDEX_LAG,
    LABEL,
    NEW,
    PROPERTY,
    Issue,
    find_issue,
    has_comment,
    mark,
    read_issue,
    reference_to,
)
from integrations.jira.workflow import Goal, lead, named
from integrations.oauth import Tokens
from integrations.reply import body_for_record, json_object

_CORRECT = "correct projectKey, issueType, priorities or fields of the integration"
_NOTHING = "nothing to do: there is no issue of this alert"
_DELETED = "nothing to do: the issue of this alert was deleted"
_OVER = "nothing to do: a later event has resolved this alert, and there is no issue of it"
_REPEATED = "nothing to do: an earlier attempt of this delivery has arrived"


@dataclass(frozen=True)
class Jira:
    """Makes an issue at an alert's first event and leads it through its life.

    The recorded request has the issue that would be made, and the comment that is written on one
    that exists.
    """

    tokens: Tokens = field(default_factory=Tokens)
    # For all calls of a delivery, whose lease of 35 s is not prolonged; its batch may have used 10.
    seconds: float = 20.0

    kind = "jira"
    title = "Jira"
    description = "Create and update issues in Jira"
    config = JiraConfig
    options = JiraOptions
    signing = None
    inbound = JiraInbound()
    limits = Limits(PROMPT, idempotent=True, rate=Rate(3, 1.0), stateful=True, tracked=True)

    def destination(self, outgoing: Outgoing[JiraConfig]) -> str:
        return _project(outgoing)

    def recipients(self, outgoing: Outgoing[JiraConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[JiraConfig]) -> Json:
        message, config = outgoing.message, outgoing.config
        existing = outgoing.existing
        request: Json = {}
        if message.action is Action.TRIGGER:
            request["issue"] = {"fields": _fields(outgoing)}
        if existing.reference or existing.maybe_made:
            request["comment"] = {
                "body": _text(config, comment(message)),
                "properties": [{"key": PROPERTY, "value": {"delivery": message.delivery_id}}],
            }
        return request

    async def deliver(
        self, outgoing: Outgoing[JiraConfig], request: Json, egress: Egress
    ) -> Receipt:
        client = Client(outgoing.config, self.tokens, egress)
        try:
            async with asyncio.timeout(self.seconds):
                return await _carry_out(client, outgoing, request)
        except TimeoutError:
            detail = f"Jira did not answer all calls of the delivery within {self.seconds:g} s"
            sent = client.began_change
            failure = Failure(FailureClass.TRANSIENT, detail, maybe_sent=sent, timed_out=True)
            raise DeliveryFailed(failure) from None

    async def test(self, config: JiraConfig, egress: Egress) -> list[Check]:
        return await check(Client(config, self.tokens, egress))


async def _carry_out(client: Client, outgoing: Outgoing[JiraConfig], request: Json) -> Receipt:
    issue = await _existing(client, outgoing)
    if issue is not None:
        return await _update(client, outgoing, request, issue)
    if idle := _why_idle(outgoing):
        return Receipt(False, response=idle)
    return await _create(client, request)


def _project(outgoing: Outgoing[JiraConfig]) -> str:
    options: JiraOptions = outgoing.options
    return options.project_key or outgoing.config.project_key


def _text(config: JiraConfig, content: Content) -> Json | str:
    return adf.document(content) if config.is_cloud else wiki.document(content)


def _fields(outgoing: Outgoing[JiraConfig]) -> Json:
    """The fields of a new issue. A priority is sent only if one is configured, as many projects
    refuse it."""
    message, config = outgoing.message, outgoing.config
    options: JiraOptions = outgoing.options
    priority = config.priorities.get(message.severity)
    return {
        **config.fields,
        "project": {"key": _project(outgoing)},
        "issuetype": named(options.issue_type or config.issue_type),
        "summary": summary(message),
        "description": _text(config, description(message)),
        "labels": [LABEL, mark(message.delivery_id), *config.labels],
        **({"priority": named(priority)} if priority else {}),
    }


async def _existing(client: Client, outgoing: Outgoing[JiraConfig]) -> Issue | None:
    """The issue of the alert; None if there is none (any more)."""
    existing = outgoing.existing
    reference = _reference(outgoing)
    if reference is not None:
        issue = await read_issue(client, reference, _project(outgoing))
        if issue is not None:
            return issue
    if not existing.maybe_made:
        return None
    if existing.ago < INDEX_LAG:
        detail = "an earlier attempt may have made an issue, which searches do not find yet"
        rest = INDEX_LAG - existing.ago
        raise DeliveryFailed(Failure(FailureClass.TRANSIENT, detail, retry_after=rest))
    return await find_issue(client, existing.maybe_made)


def _reference(outgoing: Outgoing[JiraConfig]) -> Mapping[str, str] | None:
    """The reference, which counts at its own site only: elsewhere its id is that of a stranger's
    issue."""
    reference = outgoing.existing.reference
    if reference is None or reference.get("site") != outgoing.config.site:
        return None
    return reference


def _why_idle(outgoing: Outgoing[JiraConfig]) -> str:
    """Why no issue is made where there is none; empty if one is."""
    message = outgoing.message
    if message.action is not Action.TRIGGER:
        return _DELETED if _reference(outgoing) else _NOTHING
    latest = message.latest
    return _OVER if latest and action(latest.event_type) is Action.RESOLVE else ""


async def _create(client: Client, request: Json) -> Receipt:
    reply = await client.change("issue", request["issue"])
    said = json_object(reply)
    reference = reference_to(said.get("id"), said.get("key"), client.config.site)
    if not is_success(reply) or reference is None:
        raise client.refused(reply, Deed("create an issue", advice=_CORRECT))
    return Receipt(True, reply.status, reference, body_for_record(reply))


async def _update(
    client: Client, outgoing: Outgoing[JiraConfig], request: Json, issue: Issue
) -> Receipt:
    """Move the issue first and comment last: so the comment shows that all is done."""
    message = outgoing.message
    reference = reference_to(issue.id, issue.key, client.config.site)
    if mark(message.delivery_id) in issue.labels:
        return Receipt(True, 200, reference, _REPEATED)
    goal = _goal(message, client.config, issue)
    obstacle = await lead(client, issue, goal) if goal else ""
    may_be_there = message.delivery_id in outgoing.existing.maybe_made
    if may_be_there and await has_comment(client, issue, message.delivery_id):
        return Receipt(not obstacle, 200, reference, obstacle or _REPEATED)
    reply = await _comment(client, issue, request["comment"])
    record = "\n".join(filter(None, [obstacle, body_for_record(reply)]))
    return Receipt(not obstacle, reply.status, reference, record)


def _goal(message: Message, config: JiraConfig, issue: Issue) -> Goal | None:
    """Where the event leads the issue. One that comes late changes nothing any more."""
    if message.latest is not None:
        return None
    match message.action:
        case Action.ACKNOWLEDGE:
            return Goal((ACTIVE,), config.statuses.get("acknowledge", ""))
        case Action.RESOLVE:
            return Goal((DONE,), config.statuses.get("resolve", ""))
    is_over = issue.status.category == DONE
    return Goal((NEW, ACTIVE), config.statuses.get("reopen", "")) if is_over else None


async def _comment(client: Client, issue: Issue, content: Json) -> Reply:
    reply = await client.change(f"{issue.path}/comment", content)
    if reply.status != 201 or not is_success(reply):
        failed = client.refused(reply, Deed(f"comment on {issue.key}"))
        if reply.status == 404:  # deleted since it was read: the next attempt sees to it
            detail = failed.failure.detail
            raise DeliveryFailed(Failure(FailureClass.TRANSIENT, detail, 404))
        raise failed
    return reply
