"""Searches of issues: the JQL that is known here, and pages by number and by token."""

import base64
import re
from typing import Any

from receivers.jira.shown import Shown
from receivers.jira.site import Issue, Site
from receivers.receiver import Json

PAGE = 50
_JQL = re.compile(
    r"\s*(?P<field>labels|project|key)\s*(?:=\s*(?P<one>\S+)|in\s*\((?P<many>[^)]*)\))"
    r"\s*(?:order by created(?: asc)?)?\s*",
    re.IGNORECASE,
)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s,"]+)')


class Refused(Exception):
    """A search that Jira refuses with 400, and why."""


def by_token(site: Site, shown: Shown, asked: Json) -> Json:
    """Cloud: no total; only ids, unless fields are named."""
    found = list(_found(site, asked.get("jql")))
    start, size = _start(asked.get("nextPageToken")), min(int(asked.get("maxResults", PAGE)), PAGE)
    page, names = found[start : start + size], asked.get("fields") or []
    issues = [shown.issue(each, names) if names else {"id": each.id} for each in page]
    is_last = start + size >= len(found)
    token = {} if is_last else {"nextPageToken": _token(start + size)}
    return {"issues": issues, "isLast": is_last, **token}


def by_number(site: Site, shown: Shown, asked: Json) -> Json:
    """Data Center."""
    found = list(_found(site, asked.get("jql")))
    start, size = int(asked.get("startAt", 0)), min(int(asked.get("maxResults", PAGE)), PAGE)
    page = found[start : start + size]
    return {
        "startAt": start,
        "maxResults": size,
        "total": len(found),
        "issues": [shown.issue(each, asked.get("fields") or []) for each in page],
    }


def _found(site: Site, jql: Any) -> list[Issue]:
    if not isinstance(jql, str) or not jql.strip():
        raise Refused("Unbounded JQL queries are not allowed here. Please add a search restriction")
    parsed = _JQL.fullmatch(jql)
    if parsed is None:
        raise Refused(f"Error in the JQL Query: {jql[:100]}")
    words = _WORD.findall(parsed["one"] or parsed["many"])
    wanted = {re.sub(r"\\(.)", r"\1", quoted) or bare for quoted, bare in words}
    return [each for each in site.indexed() if wanted & _values(each, parsed["field"].lower())]


def _values(issue: Issue, field: str) -> set[str]:
    values = {"labels": issue.labels, "project": [issue.project.key], "key": [issue.key]}
    return set(values[field])


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(f"page {start}".encode()).decode()


def _start(token: Any) -> int:
    if token is None:
        return 0
    try:
        said = base64.urlsafe_b64decode(str(token)).decode()
        return int(said.removeprefix("page "))
    except ValueError:
        raise Refused("The provided nextPageToken is invalid or has expired.") from None
