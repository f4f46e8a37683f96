"""The state of a Jira site: projects with their fields and workflows, and their issues."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from receivers.receiver import Json

CATEGORIES = {
    "new": {"id": 2, "key": "new", "name": "To Do", "colorName": "blue-gray"},
    "indeterminate": {
        "id": 4,
        "key": "indeterminate",
        "name": "In Progress",
        "colorName": "yellow",
    },
    "done": {"id": 3, "key": "done", "name": "Done", "colorName": "green"},
}
PERMISSIONS = ("BROWSE_PROJECTS", "CREATE_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
RESOLUTIONS = ("Fixed", "Won't Do")


@dataclass(slots=True)
class Transition:
    """`sources` are the statuses that it leads from; None: all. `fields` are those of its screen,
    by id, and whether they are required. `refusal`: what its validator says."""

    id: str
    name: str
    to: str
    sources: frozenset[str] | None = None
    fields: dict[str, bool] = field(default_factory=dict)
    refusal: str = ""


def ordinary_workflow() -> list[Transition]:
    """Of Cloud's new projects: each status from each."""
    return [
        Transition("11", "To Do", "To Do"),
        Transition("21", "In Progress", "In Progress"),
        Transition("31", "Done", "Done"),
    ]


@dataclass(slots=True)
class Project:
    """`fields` are those of the screen for new issues, by id: name, and whether it is required."""

    key: str
    statuses: dict[str, str] = field(
        default_factory=lambda: {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
    )
    transitions: list[Transition] = field(default_factory=ordinary_workflow)
    types: tuple[str, ...] = ("Task", "Bug")
    fields: dict[str, tuple[str, bool]] = field(
        default_factory=lambda: {
            "summary": ("Summary", True),
            "issuetype": ("Issue Type", True),
            "project": ("Project", True),
            "description": ("Description", False),
            "labels": ("Labels", False),
            "priority": ("Priority", False),
        }
    )
    permissions: set[str] = field(default_factory=lambda: set(PERMISSIONS))

    @property
    def is_visible(self) -> bool:
        return "BROWSE_PROJECTS" in self.permissions


@dataclass(slots=True)
class Comment:
    id: str
    body: Any
    properties: list[Json]


@dataclass(slots=True)
class Issue:
    id: str
    key: str
    project: Project
    fields: Json
    status: str
    resolution: Any = None
    comments: list[Comment] = field(default_factory=list)
    made: float = field(default_factory=time.monotonic)

    @property
    def category(self) -> str:
        return self.project.statuses[self.status]

    @property
    def transitions(self) -> list[Transition]:
        """Those that can be taken now."""
        if "TRANSITION_ISSUES" not in self.project.permissions:
            return []
        all = self.project.transitions
        return [each for each in all if each.sources is None or self.status in each.sources]

    @property
    def labels(self) -> list[str]:
        return list(self.fields.get("labels", []))


class Site:
    """`lag` is how many seconds searches are behind."""

    def __init__(self) -> None:
        self.projects = {key: Project(key) for key in ("OPS", "WEB")}
        self.issues: dict[str, Issue] = {}  # by id
        self.lag = 0.0
        self._number = 10_000

    def next_id(self) -> str:
        self._number += 1
        return str(self._number)

    def make(self, project: Project, fields: Json) -> Issue:
        number = sum(1 for each in self.issues.values() if each.project is project) + 1
        id, status = self.next_id(), next(iter(project.statuses))
        issue = self.issues[id] = Issue(id, f"{project.key}-{number}", project, fields, status)
        return issue

    def move(self, issue: Issue, project: Project) -> None:
        """To another project, where it gets another key."""
        issue.project, issue.key = project, f"{project.key}-{900 + len(self.issues)}"

    def seen(self, name: str) -> Issue | None:
        """The issue of this id or key, if the account may see it."""
        found = (each for each in self.issues.values() if name.upper() in (each.id, each.key))
        issue = next(found, None)
        return issue if issue is not None and issue.project.is_visible else None

    def indexed(self) -> Iterator[Issue]:
        """The issues that searches find, the oldest first."""
        now = time.monotonic()
        for each in self.issues.values():
            if each.project.is_visible and now - each.made >= self.lag:
                yield each
