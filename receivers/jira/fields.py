"""What Jira refuses of the fields and texts of an issue, in its words (English)."""

import json
from collections.abc import Iterator
from typing import Any

from receivers.jira.site import RESOLUTIONS, Project, Site, Transition
from receivers.receiver import Json

TEXT_CHARS, SUMMARY_CHARS = 32_767, 255
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
_TOO_LONG = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
_UNKNOWN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
_BLOCKS = {"paragraph": "inline", "bulletList": "listItem", "listItem": "paragraph"}
_MARKS = ("strong", "em", "link", "code")


def refusals(site: Site, fields: Any, is_cloud: bool) -> tuple[Project | None, dict[str, str]]:
    """The project of a new issue, and what is wrong with its fields."""
    if not isinstance(fields, dict):
        return None, {"project": "Specify a valid project ID or key"}
    project = site.projects.get(_object(fields.get("project")).get("key", ""))
    if project is None or not project.is_visible:
        return None, {"project": "Specify a valid project ID or key"}
    if "CREATE_ISSUES" not in project.permissions:
        return None, {"project": "You cannot create issues in this project."}
    if not _names_one(fields.get("issuetype"), project.types):
        return project, {"issuetype": "Specify a valid issue type"}
    return project, dict(_faults(project, fields, is_cloud))


def _faults(project: Project, fields: Json, is_cloud: bool) -> Iterator[tuple[str, str]]:
    for id in fields.keys() - project.fields.keys():
        yield id, _UNKNOWN.format(id)
    for id, (name, required) in project.fields.items():
        if required and not fields.get(id):
            yield id, f"{name} is required."
    summary = fields.get("summary")
    if not isinstance(summary, str) or not summary.strip():
        yield "summary", "You must specify a summary of the issue."
    elif "\n" in summary or "\r" in summary:
        yield "summary", "The summary is invalid because it contains newline characters."
    elif utf16(summary) > SUMMARY_CHARS:
        yield "summary", "Summary can't exceed 255 characters."
    if "description" in fields and (why := text_refusal(fields["description"], is_cloud)):
        yield "description", why
    for label in fields.get("labels", []):
        if not isinstance(label, str) or any(char.isspace() for char in label):
            yield "labels", f"The label '{label}' contains spaces which is invalid."
    if "priority" in fields and not _names_one(fields["priority"], PRIORITIES):
        yield "priority", f"Priority name '{fields['priority']}' is not valid"


def transition_refusals(transition: Transition, fields: Json, held: Json) -> dict[str, str]:
    """What is wrong with the fields that come with a transition; `held` are those that the issue
    has already."""
    wrong = {id: _UNKNOWN.format(id) for id in fields.keys() - transition.fields.keys()}
    for id, required in transition.fields.items():
        if required and not fields.get(id) and not held.get(id):
            wrong[id] = f"{id.title()} is required."
    resolution = fields.get("resolution")
    if "resolution" not in wrong and resolution and not _names_one(resolution, RESOLUTIONS):
        wrong["resolution"] = "Resolution is invalid."
    return wrong


def text_refusal(text: Any, is_cloud: bool) -> str:
    """Why a text is refused; empty if it is not. What Cloud counts of a document is not known, so
    all of its JSON is counted."""
    if not is_cloud:
        if not isinstance(text, str):
            return "Operation value must be a string"
        return _TOO_LONG if utf16(text) > TEXT_CHARS else ""
    if not isinstance(text, dict):
        return "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    shown = json.dumps(text, ensure_ascii=False, separators=(",", ":"))
    if utf16(shown) > TEXT_CHARS:
        return _TOO_LONG
    return "" if _is_document(text) else "INVALID_INPUT"


def _is_document(text: Json) -> bool:
    blocks = text.get("content")
    if text.get("type") != "doc" or text.get("version") != 1 or not isinstance(blocks, list):
        return False
    return all(_is_block(each) for each in blocks)


def _is_block(node: Any) -> bool:
    inside = _BLOCKS.get(_object(node).get("type", ""))
    content = node.get("content", []) if inside else None
    if not isinstance(content, list):
        return False
    if inside == "inline":
        return all(_is_inline(each) for each in content)
    return bool(content) and all(each.get("type") == inside and _is_block(each) for each in content)


def _is_inline(node: Any) -> bool:
    match node:
        case {"type": "hardBreak"}:
            return True
        case {"type": "text", "text": str(text)}:
            return bool(text) and all(_is_mark(each) for each in node.get("marks", []))
    return False


def _is_mark(mark: Any) -> bool:
    if mark.get("type") == "link":
        return isinstance(_object(mark.get("attrs")).get("href"), str)
    return mark.get("type") in _MARKS


def utf16(text: str) -> int:
    """How long a text is as Java counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def id_of(name: str, names: tuple[str, ...]) -> str:
    """The id by which a value can be named as well."""
    return str(10_001 + names.index(name))


def _names_one(value: Any, names: tuple[str, ...]) -> bool:
    named = _object(value)
    return named.get("name") in names or named.get("id") in [id_of(each, names) for each in names]


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
