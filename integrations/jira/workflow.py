"""Leads an issue into a status, by the transitions that its workflow has at the moment.

Statuses and transitions have other names and ids in every project, so that the category of the
status counts (new, indeterminate, done), unless the config names a status. Transitions whose
conditions are not met, and all of them without the permission, are not listed. A field that a
screen requires may have its value already, which Jira then keeps; so only Jira's refusal shows what
is missing. A required resolution is set all the same: an issue that is done without one counts as
open in Jira's reports.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.json_document import Json
from integrations.jira.client import Client, is_success
from integrations.jira.errors import Deed, fields_of, shown, words
from integrations.jira.issue import Issue, Status, has_permission, read_issue, status_of
from integrations.reply import json_object

_FILL = "fill it by transitionFields of the integration, or name another status in its statuses"
_RESOLUTION = "resolution"


@dataclass(frozen=True, slots=True)
class Goal:
    """A status to reach: the one that is named, or else the first of these categories that can be
    reached."""

    categories: tuple[str, ...]
    name: str = ""

    def is_met(self, status: Status) -> bool:
        return status.is_called(self.name) if self.name else status.category in self.categories

    def __str__(self) -> str:
        return self.name or f"a status of the category {' or '.join(self.categories)}"


@dataclass(frozen=True, slots=True)
class _Transition:
    id: str
    to: Status
    has_screen: bool


async def lead(client: Client, issue: Issue, goal: Goal) -> str:
    """Lead the issue to the goal, if it is not there. Returns why that is not possible in this
    workflow; empty if it is done. Raises DeliveryFailed where the config can help, or time."""
    if goal.is_met(issue.status):
        return ""
    found = await _transitions(client, issue)
    transition = _best(found, goal)
    if transition is None and issue.status.category in goal.categories:
        return ""  # it is not in the status that is named, but in one that says the same
    if transition is None:
        if not found:
            await _check_permission(client, issue)
        why = f"no transition leads {issue.key} from {issue.status.name} to {goal}"
        return shown(why, client.config.redactor)
    return await _take(client, issue, transition, goal)


async def _take(client: Client, issue: Issue, transition: _Transition, goal: Goal) -> str:
    fields = await _fields(client, issue, transition) if transition.has_screen else {}
    content: Json = {"transition": {"id": transition.id}}
    reply = await client.change(
        f"{issue.path}/transitions", content | ({"fields": fields} if fields else {})
    )
    if is_success(reply):
        return ""
    said = json_object(reply)
    if reply.status == 400 and said and not fields_of(said):
        return await _obstacle(client, issue, goal, words(said, client.config.redactor))
    deed = Deed(f"move {issue.key} to {transition.to.name}", advice=_FILL)
    raise _passing_if_gone(client.refused(reply, deed))


async def _obstacle(client: Client, issue: Issue, goal: Goal, why: str) -> str:
    """What a workflow that refuses a transition for itself leads to: nothing that would pass by
    waiting, unless somebody else has moved the issue meanwhile."""
    now = await read_issue(client, {"id": issue.id, "key": issue.key}, issue.project)
    if now is not None and goal.is_met(now.status):
        return ""
    if now is None or now.status != issue.status:
        detail = f"{issue.key} was moved by somebody else at the same time"
        raise DeliveryFailed(Failure(FailureClass.TRANSIENT, detail, 400))
    deed = f"Jira refuses to lead {issue.key} from {issue.status.name} to {goal}"
    return f"{shown(deed, client.config.redactor)}: {why}"


def _passing_if_gone(failed: DeliveryFailed) -> DeliveryFailed:
    """A 404 for an issue that was just read: it is deleted at this moment, so look again."""
    if failed.failure.status != 404:
        return failed
    return DeliveryFailed(Failure(FailureClass.TRANSIENT, failed.failure.detail, 404))


async def _transitions(client: Client, issue: Issue) -> list[_Transition]:
    said = await client.ask(f"{issue.path}/transitions", f"list the transitions of {issue.key}")
    return [found for each in _list(said.get("transitions")) if (found := _transition(each))]


def _transition(said: Any) -> _Transition | None:
    status = status_of(said.get("to")) if isinstance(said, dict) else None
    if status is None or not isinstance(said.get("id"), str):
        return None
    # Data Center does not say whether there is a screen.
    return _Transition(said["id"], status, said.get("hasScreen") is not False)


def _best(found: Iterable[_Transition], goal: Goal) -> _Transition | None:
    """The first transition into the status that is named, or into the best category."""
    fitting = [each for each in found if goal.is_met(each.to)]
    if goal.name:
        return next(iter(fitting), None)
    return min(fitting, key=lambda each: goal.categories.index(each.to.category), default=None)


async def _check_permission(client: Client, issue: Issue) -> None:
    """Raises DeliveryFailed if there is no transition because the account may not use any."""
    query = {"issueId": issue.id, "permissions": "TRANSITION_ISSUES"}
    said = await client.ask("mypermissions", "tell the account's permissions", **query)
    if not has_permission(said, "TRANSITION_ISSUES"):
        why = f"the account may not move issues of {issue.project}: give it Transition issues there"
        raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, why))


async def _fields(client: Client, issue: Issue, transition: _Transition) -> Json:
    """What to fill the transition's screen with: what the config has for it, and the resolution."""
    reply = await client.reply(
        f"{issue.path}/transitions", transitionId=transition.id, expand="transitions.fields"
    )
    screen = _screen(json_object(reply), transition.id)
    configured = client.config.transition_fields
    if reply.status != 200 or screen is None:  # too long to be read: try with what there is
        return dict(configured)
    filled = {name: value for name, value in configured.items() if name in screen}
    return _resolution(client.config.resolution, screen.get(_RESOLUTION)) | filled


def _screen(said: Json, transition_id: str) -> Json | None:
    for each in _list(said.get("transitions")):
        if isinstance(each, dict) and each.get("id") == transition_id:
            fields = each.get("fields")
            return fields if isinstance(fields, dict) else None
    return None


def _resolution(configured: str | None, field: Any) -> Json:
    """The resolution that is configured, or else the first one where one is required."""
    if not isinstance(field, dict):
        return {}
    if configured is not None:
        return {_RESOLUTION: named(configured)}
    allowed = [each for each in _list(field.get("allowedValues")) if isinstance(each, dict)]
    if field.get("required") is True and allowed and "id" in allowed[0]:
        return {_RESOLUTION: {"id": str(allowed[0]["id"])}}
    return {}


def named(name: str) -> Json:
    """How a value of a field is named: by its id, if it consists of digits."""
    return {"id": name} if name.isdecimal() else {"name": name}


def _list(said: Any) -> list[Any]:
    return said if isinstance(said, list) else []
