"""What Opsgenie's Alert API says of a request's body, and how its answers look.

After docs.opsgenie.com, "Alert API". Characters are counted as Java does, in UTF-16.
"""

from collections.abc import Iterator
from typing import Any

from receivers.receiver import Json

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
UNPROCESSABLE = "Request body is not processable. Please check the errors."
_ALERT = {"alias": 512, "description": 15_000, "entity": 512}
_ACTION = {"user": 100, "note": 25_000, "source": 100}  # members that every action may have
_LISTS = {"tags": (20, 50), "actions": (10, 50)}
_DETAILS, _RESPONDERS = 8_000, 50
_TYPES = ("team", "user", "escalation", "schedule")


def alert_errors(said: Json) -> dict[str, str]:
    """What is wrong with the body of a create, by the name of the member."""
    errors = dict(_text_errors(said, {"message": 130} | _ALERT | _ACTION))
    message = said.get("message")
    if message is None or (isinstance(message, str) and not message.strip()):
        errors["message"] = "may not be empty"
    if said.get("priority", "P3") not in PRIORITIES:
        errors["priority"] = f"should be one of [ {', '.join(PRIORITIES)} ]"
    for name, (count, chars) in _LISTS.items():
        errors |= _list_errors(name, said.get(name, []), count, chars)
    for name in ("responders", "visibleTo"):
        errors |= _responder_errors(name, said.get(name, []))
    return errors | _details_errors(said.get("details", {}))


def action_errors(said: Json, action: str) -> dict[str, str]:
    """What is wrong with the body of an acknowledgement, a close or a note."""
    errors = dict(_text_errors(said, _ACTION))
    if action == "notes" and not said.get("note"):
        errors["note"] = "may not be empty"
    return errors


def _text_errors(said: Json, limits: dict[str, int]) -> Iterator[tuple[str, str]]:
    for name, limit in limits.items():
        value = said.get(name)
        if value is not None and not isinstance(value, str):
            yield name, "should be a string"
        elif value is not None and _length(value) > limit:
            yield name, f"should not be longer than {limit} characters"


def _list_errors(name: str, value: Any, count: int, chars: int) -> dict[str, str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return {name: "should be a list of strings"}
    if len(value) > count or any(_length(each) > chars for each in value):
        return {name: f"should have at most {count} items of {chars} characters"}
    return {}


def _responder_errors(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, list) or len(value) > _RESPONDERS:
        return {name: f"should be a list of at most {_RESPONDERS} items"}
    return {
        f"{name}[{at}]": why for at, each in enumerate(value) if (why := _responder_error(each))
    }


def _responder_error(value: Any) -> str:
    if not isinstance(value, dict) or value.get("type") not in _TYPES:
        return f"type should be one of [ {', '.join(_TYPES)} ]"
    name = value.get("username" if value["type"] == "user" else "name")
    return "" if value.get("id") or name else "id or name should be provided"


def _details_errors(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        return {"details": "should be a map of strings"}
    if sum(_length(name) + _length(text) for name, text in value.items()) > _DETAILS:
        return {"details": f"should not be longer than {_DETAILS} characters"}
    return {}


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
