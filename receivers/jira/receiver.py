"""Jira on this machine: Cloud's REST API (v3) and Data Center's (v2), over one site.

After developer.atlassian.com, "The Jira Cloud platform REST API" and "Jira Data Center REST API",
and bodies that were seen. Cloud's way through api.atlassian.com (`/ex/jira/{cloudId}`) is served as
well, and the tokens of a service account.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from receivers.arrivals import Window
from receivers.jira import search as searches
from receivers.jira.fields import id_of, refusals, text_refusal, transition_refusals
from receivers.jira.shown import Shown
from receivers.jira.site import PERMISSIONS, Comment, Issue, Site
from receivers.receiver import Json, Receiver

_PATH = re.compile(r"(?P<root>(/ex/jira/[^/]+|/jira)?/rest/api/(?P<version>[23]))/(?P<rest>.+)")
_WRITES, _WRITES_SECONDS = 20, 2.0
_BASIC = re.compile(r"Basic [A-Za-z0-9+/]+=*")
_BEARER = re.compile(r"Bearer [^\s]+")
_REMOVED = (
    "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full"
    " migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request by somebody who is logged in, or by nobody."""

    method: str
    path: list[str]
    query: dict[str, str]
    body: Json
    shown: Shown
    is_known: bool


class JiraReceiver(Receiver):
    """`logins` are the values of Authorization that are taken (None: any of the right form)."""

    kind = "jira"

    def __init__(self, logins: frozenset[str] | None = None) -> None:
        super().__init__()
        self.logins = logins
        self.site = Site()
        self.tokens = 0  # that were given
        self._writes: defaultdict[str, Window] = defaultdict(
            lambda: Window(_WRITES, _WRITES_SECONDS)
        )

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        answer = self._answer(request, body)
        if answer.body is None:
            return web.Response(status=answer.status, headers=answer.headers)
        headers = {"Content-Type": "application/json;charset=UTF-8", **answer.headers}
        return web.Response(body=json.dumps(answer.body), status=answer.status, headers=headers)

    def _answer(self, request: web.Request, body: bytes) -> _Answer:
        if (request.method, request.path) == ("POST", "/oauth/token"):
            return self._give_token(body)
        found = _PATH.fullmatch(request.path)
        if found is None:
            return _nowhere(request.path)
        try:
            said = json.loads(body) if body else {}
        except ValueError:
            return _no(
                400, "There was an error parsing JSON. Check that your request body is valid."
            )
        login = request.headers.get("Authorization", "")
        if login and not self._takes(login):
            return _bad_login(login, found["version"] == "3")
        call = _Call(
            request.method,
            found["rest"].split("/"),
            {name: ",".join(request.query.getall(name)) for name in request.query},
            said if isinstance(said, dict) else {},
            Shown(f"{self.url}{found['root']}"),
            bool(login),
        )
        return self._do(call) or _nowhere(request.path)

    def _takes(self, login: str) -> bool:
        if self.logins is not None:
            return login in self.logins
        return bool(_BASIC.fullmatch(login) or _BEARER.fullmatch(login))

    def _give_token(self, body: bytes) -> _Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        wanted = {"grant_type", "client_id", "client_secret"}
        if not wanted <= form.keys() or form["grant_type"] != "client_credentials":
            return _Answer(400, {"error": "invalid_request", "error_description": "incomplete"})
        self.tokens += 1
        said = {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
        return _Answer(200, said)

    def _do(self, call: _Call) -> _Answer | None:
        match call.method, call.path:
            case _, ["issue", id, *rest] if id != "createmeta":
                return self._of_issue(call, id, rest)
            case "GET", ["serverInfo"]:
                return _Answer(200, self._about(call))
            case _ if not call.is_known:
                return _no(401, "Client must be authenticated to access this resource.")
            case "GET", ["myself"]:
                return _Answer(200, call.shown.account())
            case "GET", ["mypermissions"]:
                return self._permissions(call)
            case "POST", ["issue"]:
                return self._create(call)
            case "GET", ["issue", "createmeta", key, "issuetypes", *rest]:
                return self._create_meta(call, key, rest)
            case "GET" | "POST", ["search"]:
                return _no(410, _REMOVED) if call.shown.is_cloud else self._search(call)
            case "GET" | "POST", ["search", "jql"] if call.shown.is_cloud:
                return self._search(call)
            case "GET", ["field"]:
                return _Answer(200, [])
        return None

    def _about(self, call: _Call) -> Json:
        cloud = {"version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0]}
        server = {"version": "9.12.0", "versionNumbers": [9, 12, 0]}
        type = {"deploymentType": "Cloud" if call.shown.is_cloud else "Server"}
        return {"baseUrl": self.url, **(cloud if call.shown.is_cloud else server), **type}

    def _of_issue(self, call: _Call, id: str, rest: list[str]) -> _Answer | None:
        """Whoever may not see an issue gets the same answer as for none."""
        issue = self.site.seen(id) if call.is_known else None
        if issue is None:
            why = "Issue does not exist or you do not have permission to see it."
            return _no(404, why)
        if call.method == "POST" and not self._writes[issue.id].takes():
            return _too_many()
        match call.method, rest:
            case "GET", []:
                names = call.query.get("fields", "")
                return _Answer(200, call.shown.issue(issue, names.split(",") if names else []))
            case "GET", ["transitions"]:
                return _Answer(200, _transitions(call, issue))
            case "POST", ["transitions"]:
                return _move(call, issue)
            case "GET", ["comment"]:
                return _Answer(200, _comments(call, issue))
            case "POST", ["comment"]:
                return self._comment(call, issue)
        return None

    def _permissions(self, call: _Call) -> _Answer:
        if "permissions" not in call.query and call.shown.is_cloud:
            return _no(400, "The 'permissions' query parameter is required.")
        key, issue = call.query.get("projectKey"), self.site.seen(call.query.get("issueId", ""))
        project = issue.project if issue else self.site.projects.get(key or "")
        if project is None or not project.is_visible:
            return _no(404, f"No project could be found with key '{key}'.")
        names = call.query.get("permissions", ",".join(PERMISSIONS)).split(",")
        held = {
            name: {
                "id": "10",
                "key": name,
                "name": name.replace("_", " ").capitalize(),
                "type": "PROJECT",
                "description": "",
                "havePermission": name in project.permissions,
            }
            for name in names
        }
        return _Answer(200, {"permissions": held})

    def _create(self, call: _Call) -> _Answer:
        fields = call.body.get("fields")
        project, wrong = refusals(self.site, fields, call.shown.is_cloud)
        if project is None or wrong:
            return _no(400, **wrong)
        issue = self.site.make(project, fields or {})
        return _Answer(201, call.shown.created(issue))

    def _create_meta(self, call: _Call, key: str, rest: list[str]) -> _Answer | None:
        project = self.site.projects.get(key)
        if project is None or not project.is_visible:
            return _no(400, f"No project could be found with key '{key}'.")
        if not rest:
            return _Answer(200, _page(call, "issueTypes", call.shown.types(project)))
        if rest[0] not in [id_of(each, project.types) for each in project.types]:
            return _no(400, "Specify a valid issue type")
        return _Answer(200, _page(call, "fields", call.shown.create_fields(project)))

    def _search(self, call: _Call) -> _Answer:
        query: Json = dict(call.query)
        if "fields" in query:
            query["fields"] = query["fields"].split(",")
        search: Callable[[Site, Shown, Json], Json] = (
            searches.by_token if call.shown.is_cloud else searches.by_number
        )
        try:
            return _Answer(200, search(self.site, call.shown, query | call.body))
        except searches.Refused as refused:
            return _no(400, str(refused))

    def _comment(self, call: _Call, issue: Issue) -> _Answer:
        if "ADD_COMMENTS" not in issue.project.permissions:
            why = "does not have the permission to comment on this issue."
            return _no(400, f"FireLater, the user {why}")
        why = text_refusal(call.body.get("body"), call.shown.is_cloud)
        if why:
            return _no(400, comment=why)
        comment = Comment(
            self.site.next_id(), call.body["body"], list(call.body.get("properties", []))
        )
        issue.comments.append(comment)
        expand = call.query.get("expand", "")
        return _Answer(201, call.shown.comment(comment, issue, expand))


def _transitions(call: _Call, issue: Issue) -> Json:
    only, expand = call.query.get("transitionId"), call.query.get("expand", "")
    listed = [
        call.shown.transition(issue, each, "transitions.fields" in expand)
        for each in issue.transitions
        if only in (None, each.id)
    ]
    return {"expand": "transitions", "transitions": listed}


def _move(call: _Call, issue: Issue) -> _Answer:
    asked = call.body.get("transition")
    id = str(asked.get("id")) if isinstance(asked, dict) else ""
    if not id.isdecimal():
        return _no(400, "'transition' identifier must be an integer")
    transition = next((each for each in issue.transitions if each.id == id), None)
    if transition is None:
        return _no(400, f"Transition id '{id}' is not valid for this issue.")
    fields = call.body.get("fields", {})
    if wrong := transition_refusals(transition, fields, issue.fields):
        return _no(400, **wrong)
    if transition.refusal:
        return _no(400, transition.refusal)
    issue.status, issue.resolution = transition.to, fields.get("resolution")
    return _Answer(204)


def _comments(call: _Call, issue: Issue) -> Json:
    newest_first = call.query.get("orderBy") == "-created"
    ordered = issue.comments[::-1] if newest_first else issue.comments
    expand = call.query.get("expand", "")
    start, size = int(call.query.get("startAt", 0)), int(call.query.get("maxResults", 100))
    page = [call.shown.comment(each, issue, expand) for each in ordered[start : start + size]]
    return {"startAt": start, "maxResults": size, "total": len(ordered), "comments": page}


def _page(call: _Call, name: str, members: list[Json]) -> Json:
    start, size = int(call.query.get("startAt", 0)), int(call.query.get("maxResults", 50))
    page, total = members[start : start + size], len(members)
    about = {"startAt": start, "maxResults": size, "total": total}
    if call.shown.is_cloud:
        return {**about, name: page}
    return {**about, "isLast": start + size >= total, "values": page}


def _no(status: int, *messages: str, **errors: str) -> _Answer:
    return _Answer(status, {"errorMessages": list(messages), "errors": errors})


def _nowhere(path: str) -> _Answer:
    problem = {"type": "about:blank", "title": "Not Found", "status": 404, "instance": path}
    headers = {"Content-Type": "application/problem+json"}
    return _Answer(404, problem | {"detail": f"No endpoint GET {path}."}, headers)


def _bad_login(login: str, is_cloud: bool) -> _Answer:
    if is_cloud and login.startswith("Bearer"):
        return _Answer(403, {"error": "Failed to parse Connect Session Auth Token"})
    why = "Client must be authenticated to access this resource."
    headers = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
    return _Answer(401, {"errorMessages": [why], "errors": {}}, headers)


def _too_many() -> _Answer:
    headers = {"Retry-After": "2", "RateLimit-Reason": "jira-per-issue-on-write"}
    return _Answer(429, {"errorMessages": ["Rate limit exceeded."], "errors": {}}, headers)
