"""Issues, statuses, transitions and fields as Jira's REST API shows them."""

from receivers.jira.fields import PRIORITIES, id_of
from receivers.jira.site import CATEGORIES, RESOLUTIONS, Comment, Issue, Project, Transition
from receivers.receiver import Json

_TIME = "2026-11-28T10:00:00.000+0000"
_VALUES = {"priority": PRIORITIES, "resolution": RESOLUTIONS}


class Shown:
    """As the API at `root` shows things, which ends with /rest/api/3 (Cloud) or 2."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.is_cloud = root.endswith("3")

    def account(self) -> Json:
        known = {"displayName": "FireLater", "active": True, "timeZone": "Etc/UTC"}
        if self.is_cloud:
            id = "5b10a2844c20165700ede21g"
            return {"self": f"{self.root}/user?accountId={id}", "accountId": id, **known}
        return {"self": f"{self.root}/user?username=firelater", "name": "firelater", **known}

    def created(self, issue: Issue) -> Json:
        return {"id": issue.id, "key": issue.key, "self": f"{self.root}/issue/{issue.id}"}

    def issue(self, issue: Issue, names: list[str]) -> Json:
        all = {
            **issue.fields,
            "status": self.status(issue.project, issue.status),
            "resolution": issue.resolution,
            "labels": issue.labels,
            "comment": {"comments": [self.comment(each, issue, "") for each in issue.comments]},
        }
        everything = not names or "*all" in names or "*navigable" in names
        fields = all if everything else {name: all[name] for name in names if name in all}
        return {**self.created(issue), "fields": fields}

    def status(self, project: Project, name: str) -> Json:
        names = tuple(project.statuses)
        id, category = id_of(name, names), CATEGORIES[project.statuses[name]]
        return {
            "self": f"{self.root}/status/{id}",
            "id": id,
            "name": name,
            "description": "",
            "statusCategory": {**category, "self": f"{self.root}/statuscategory/{category['id']}"},
        }

    def transition(self, issue: Issue, transition: Transition, with_fields: bool) -> Json:
        shown: Json = {
            "id": transition.id,
            "name": transition.name,
            "to": self.status(issue.project, transition.to),
        }
        if self.is_cloud:
            shown |= {"hasScreen": bool(transition.fields), "isGlobal": not transition.sources}
        if with_fields:
            screen = transition.fields.items()
            shown["fields"] = {id: self.field(id, id.title(), needed) for id, needed in screen}
        return shown

    def field(self, id: str, name: str, required: bool) -> Json:
        shown: Json = {
            "key": id,
            "name": name,
            "required": required,
            "schema": {"type": "string", "system": id},
            "operations": ["set"],
            "hasDefaultValue": False,
        }
        if id in _VALUES:
            known = _VALUES[id]
            shown["allowedValues"] = [{"id": id_of(each, known), "name": each} for each in known]
        return shown

    def types(self, project: Project) -> list[Json]:
        return [
            {"id": id_of(each, project.types), "name": each, "subtask": False}
            for each in project.types
        ]

    def create_fields(self, project: Project) -> list[Json]:
        return [
            {"fieldId": id, **self.field(id, name, required)}
            for id, (name, required) in project.fields.items()
        ]

    def comment(self, comment: Comment, issue: Issue, expand: str) -> Json:
        shown: Json = {
            "self": f"{self.root}/issue/{issue.id}/comment/{comment.id}",
            "id": comment.id,
            "author": self.account(),
            "body": comment.body,
            "created": _TIME,
            "updated": _TIME,
        }
        if "properties" in expand:
            shown["properties"] = comment.properties
        return shown
