"""Issues that exist: read, and found by the marks that deliveries leave on them.

A new issue has the label `firelater-` and its delivery's id; a comment has the property
`firelater`. Labels are searched, as properties of issues are only found where an app declared
them. The index that searches use is up to a minute behind ("Search and reconcile").
"""

import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.json_document import Json
from integrations.jira.client import Client
from integrations.reply import json_object

LABEL, PROPERTY = "firelater", "firelater"
INDEX_LAG = 60.0  # seconds
_MARKS = 50  # that are searched at once, for the URL's length
_PAGES, _FOUND = 10, 10  # pages, and issues of a page
_ID, _KEY = re.compile(r"[0-9]{1,20}"), re.compile(r"[A-Z][A-Z0-9_]*-[0-9]+", re.IGNORECASE)
_FIELDS = ("status", "labels")

NEW, ACTIVE, DONE = "new", "indeterminate", "done"  # the keys of Jira's categories of statuses


@dataclass(frozen=True, slots=True)
class Status:
    id: str
    name: str
    category: str

    def is_called(self, name: str) -> bool:
        return name == self.id or name.casefold() == self.name.casefold()


@dataclass(frozen=True, slots=True)
class Issue:
    """Its key changes when it is moved to another project; its id stays."""

    id: str
    key: str
    status: Status
    labels: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return f"issue/{self.id}"

    @property
    def project(self) -> str:
        return self.key.rpartition("-")[0]


def mark(delivery_id: str) -> str:
    return f"{LABEL}-{delivery_id}"


def reference_to(id: Any, key: Any, site: str) -> dict[str, str] | None:
    """The reference to an issue; None if these are no id and key of one."""
    told = isinstance(id, str) and isinstance(key, str)
    if not told or not _ID.fullmatch(id) or not _KEY.fullmatch(key):
        return None
    return {"site": site, "id": id, "key": key}


async def read_issue(client: Client, reference: Mapping[str, str], project: str) -> Issue | None:
    """The issue of a reference; None if it was deleted.

    Jira answers 404 as well to those who may not see it. So it counts as deleted only if its
    project can be seen, or is another than `project`, in which issues are made now.
    """
    reply = await client.reply(f"issue/{reference['id']}", fields=",".join(_FIELDS))
    if reply.status == 404 and "errorMessages" in json_object(reply):
        await _check_sight(client, reference.get("key", "").rpartition("-")[0], project)
        return None
    issue = issue_of(json_object(reply))
    if reply.status != 200 or issue is None:
        raise client.unanswered(reply, f"read {reference.get('key', 'an issue')}")
    return issue


async def _check_sight(client: Client, project: str, needed: str) -> None:
    """Raises DeliveryFailed if the account does not see the project, but has to."""
    if not await _sees(client, project) and project.upper() == needed:
        why = (
            f"Jira answered 404: the account does not see the project {needed} (any more), or its"
            " token has expired: give it the permission, or another token"
        )
        raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, why, 404))


async def _sees(client: Client, project: str) -> bool:
    query = {"projectKey": project, "permissions": "BROWSE_PROJECTS"}
    reply = await client.reply("mypermissions", **query)
    if reply.status in (400, 404) and "errorMessages" in json_object(reply):
        return False
    if reply.status != 200:
        raise client.unanswered(reply, "tell the account's permissions")
    return has_permission(json_object(reply), "BROWSE_PROJECTS")


def has_permission(said: Json, name: str) -> bool:
    permission = _object(_object(said.get("permissions")).get(name))
    return permission.get("havePermission") is True


async def find_issue(client: Client, delivery_ids: Sequence[str]) -> Issue | None:
    """The oldest issue that one of the deliveries has made."""
    for start in range(0, len(delivery_ids), _MARKS):
        marks = {mark(id) for id in delivery_ids[start : start + _MARKS]}
        issue = await _find_marked(client, marks)
        if issue is not None:
            return issue
    return None


async def _find_marked(client: Client, marks: Set[str]) -> Issue | None:
    """The oldest issue with one of the labels. A clone has those of its original, and is younger.
    Some servers leave out conditions that they do not know, so the labels are looked at."""
    said = ", ".join(json.dumps(each, ensure_ascii=False) for each in sorted(marks))
    query = {
        "jql": f"labels in ({said}) ORDER BY created ASC",
        "fields": ",".join(_FIELDS),
        "maxResults": str(_FOUND),
    }
    path = "search/jql" if client.config.is_cloud else "search"
    for _ in range(_PAGES):
        found = await client.ask(path, "search for an issue", **query)
        issues = found.get("issues")
        for each in issues if isinstance(issues, list) else []:
            issue = issue_of(each)
            if issue is not None and marks & set(issue.labels):
                return issue
        if found.get("isLast") is True or not found.get("nextPageToken"):
            return None
        query["nextPageToken"] = str(found["nextPageToken"])
    return None


async def has_comment(client: Client, issue: Issue, delivery_id: str) -> bool:
    """Whether the delivery's comment is there: the newest are looked at first."""
    query = {"orderBy": "-created", "expand": "properties"}
    comments = client.listed(f"{issue.path}/comment", "list comments", ("comments",), **query)
    async for each in comments:
        properties = each.get("properties")
        for one in properties if isinstance(properties, list) else []:
            held = _object(_object(one).get("value"))
            if held.get("delivery") == delivery_id and one.get("key") == PROPERTY:
                return True
    return False


def issue_of(said: Any) -> Issue | None:
    """An issue as Jira describes it; None if it is none."""
    fields = _object(_object(said).get("fields"))
    status = status_of(fields.get("status"))
    if status is None or reference_to(said.get("id"), said.get("key"), "") is None:
        return None
    labels = fields.get("labels")
    known = tuple(map(str, labels)) if isinstance(labels, list) else ()
    return Issue(said["id"], said["key"], status, known)


def status_of(said: Any) -> Status | None:
    status = _object(said)
    category = _object(status.get("statusCategory")).get("key")
    if not isinstance(category, str):
        return None
    return Status(str(status.get("id", "")), str(status.get("name", "")), category)


def _object(said: Any) -> Json:
    return said if isinstance(said, dict) else {}
