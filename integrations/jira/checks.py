"""The test of a connection to Jira: it reads, and makes no issue.

`serverInfo` is not asked, as it answers anybody. Permissions and fields are those of the account
in the integration's project, so that most refusals of a new issue are foreseen.
"""

from collections.abc import Iterator

from domain.integration.outcome import Check, DeliveryFailed, FailureClass
from domain.json_document import Json
from integrations.jira.client import UNREAD, Client
from integrations.jira.config import JiraConfig
from integrations.jira.errors import shown
from integrations.jira.issue import has_permission
from integrations.reply import json_object

_NEEDED = {
    "BROWSE_PROJECTS": "Browse projects",
    "CREATE_ISSUES": "Create issues",
    "ADD_COMMENTS": "Add comments",
    "TRANSITION_ISSUES": "Transition issues",
}
_FAULTS_CHARS = 600
_SENT = ("summary", "description", "labels")
_FILLED = frozenset({"project", "issuetype", "reporter"})  # Jira takes the account as the reporter
_UNPROVED = (
    "Not proved: that the workflow has transitions to acknowledge, resolve and reopen issues, and"
    " that it asks nothing more of a new issue, which only an issue can show"
)


async def check(client: Client) -> list[Check]:
    """Each check needs those before it, so the first that fails is the last."""
    checks: list[Check] = []
    for name, look in (
        ("account", _account),
        ("permissions", _permissions),
        ("issue type", _issue_type),
    ):
        try:
            checks.append(await look(client, name))
        except DeliveryFailed as error:
            checks.append(Check.failed(name, error))
        if not checks[-1].ok:
            break
    return checks


async def _account(client: Client, name: str) -> Check:
    reply = await client.reply("myself")
    said = json_object(reply)
    if reply.status != 200 or not said:
        raise client.unanswered(reply, "tell whose token this is")
    who = said.get("displayName")
    whose = f": {who}" if isinstance(who, str) and not reply.private else ""
    detail = shown(f"Jira takes the credentials{whose}", client.config.redactor)
    return Check(name, True, detail)


async def _permissions(client: Client, name: str) -> Check:
    project = client.config.project_key
    query = {"projectKey": project, "permissions": ",".join(_NEEDED)}
    said = await client.ask("mypermissions", f"tell the permissions in {project}", **query)
    missing = [title for key, title in _NEEDED.items() if not has_permission(said, key)]
    if missing:
        detail = f"the account lacks {', '.join(missing)} in the project {project}"
        return Check(name, False, detail, FailureClass.MISCONFIGURED)
    return Check(name, True, f"the account has {', '.join(_NEEDED.values())} in {project}")


async def _issue_type(client: Client, name: str) -> Check:
    config = client.config
    path = f"issue/createmeta/{config.project_key}/issuetypes"
    if not config.is_cloud and (await client.reply(path, maxResults=1)).status == 404:
        detail = "not proved, as Jira before 8.4 does not tell the fields of one project"
        return Check(name, True, detail)
    type, others = await _find_type(client, path)
    if type is None:
        known = shown(", ".join(others), config.redactor)
        detail = f"{config.project_key} has no issue type {config.issue_type}. It has: {known}"
        return Check(name, False, detail, FailureClass.MISCONFIGURED)
    fields: dict[str, Json] = {}
    names = ("fields", "results", "values")
    async for each in client.listed(f"{path}/{type}", "list the fields of an issue", names):
        fields[str(each.get("fieldId") or each.get("key"))] = each
    if faults := list(_faults(config, fields)):
        detail = shown("; ".join(faults), config.redactor, _FAULTS_CHARS)
        return Check(name, False, detail, FailureClass.MISCONFIGURED)
    return Check(name, True, f"{config.issue_type} takes what is sent. {_UNPROVED}")


async def _find_type(client: Client, path: str) -> tuple[str | None, list[str]]:
    """The id of the issue type of the config, and the names of those that were seen."""
    wanted = client.config.issue_type
    seen: list[str] = []
    names = ("issueTypes", "createMetaIssueType", "values")
    async for each in client.listed(path, "list issue types", names):
        id, name = str(each.get("id")), str(each.get("name"))
        if wanted == id or wanted.casefold() == name.casefold():
            return id, seen
        seen.append(name)
    return None, seen


def _faults(config: JiraConfig, fields: dict[str, Json]) -> Iterator[str]:
    """What Jira would refuse a new issue for."""
    sent = {*_SENT, *config.fields, *(("priority",) if config.priorities else ())}
    is_whole = UNREAD not in fields.values()
    for name in sorted(sent - fields.keys()) if is_whole else ():
        yield f"the field {name} is not on the screen for new issues: add it there"
    for name, field in fields.items():
        is_wanting = field.get("required") is True and field.get("hasDefaultValue") is not True
        if is_wanting and name not in sent | _FILLED:
            yield f"the field {field.get('name')} ({name}) is required: set it in fields"
