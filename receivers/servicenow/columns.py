"""The columns of the instance's tables, and the fields that the base system fills in by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

STATES = {
    "1": "New",
    "2": "In Progress",
    "3": "On Hold",
    "6": "Resolved",
    "7": "Closed",
    "8": "Canceled",
}
_HIGH_TO_LOW = {"1": "1 - High", "2": "2 - Medium", "3": "3 - Low"}
_PRIORITIES = {
    "1": "1 - Critical",
    "2": "2 - High",
    "3": "3 - Moderate",
    "4": "4 - Low",
    "5": "5 - Planning",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its type in the dictionary. `refers` is the table of a reference, `choices` the
    labels of a choice list, which the Table API does not enforce."""

    kind: str = "string"
    length: int = 255
    refers: str = ""
    label: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


def _reference(table: str) -> Column:
    return Column("reference", 32, table)


_TIME, _WORD, _TEXT = Column("datetime"), Column(length=40), Column(length=4_000)
_SYSTEM = {
    "sys_id": Column("guid", 32),
    "sys_created_on": _TIME,
    "sys_created_by": _WORD,
    "sys_updated_on": _TIME,
    "sys_updated_by": _WORD,
    "sys_mod_count": Column("integer"),
}
_STATE = Column("choice", choices=STATES)
TABLES: Mapping[str, Mapping[str, Column]] = {
    "incident": _SYSTEM
    | {
        "number": _WORD,
        "short_description": Column(length=160),
        "description": _TEXT,
        "state": _STATE,
        "incident_state": _STATE,
        "active": Column("boolean"),
        "impact": Column("choice", choices=_HIGH_TO_LOW),
        "urgency": Column("choice", choices=_HIGH_TO_LOW),
        "priority": Column("choice", choices=_PRIORITIES),
        "category": _WORD,
        "subcategory": _WORD,
        "contact_type": _WORD,
        "assignment_group": _reference("sys_user_group"),
        "assigned_to": _reference("sys_user"),
        "caller_id": _reference("sys_user"),
        "opened_by": _reference("sys_user"),
        "opened_at": _TIME,
        "resolved_at": _TIME,
        "closed_at": _TIME,
        "close_code": Column(length=40, label="Resolution code"),
        "close_notes": Column(length=4_000, label="Resolution notes"),
        "correlation_id": Column(length=100),
        "correlation_display": Column(length=100),
        "work_notes": Column("journal", label="Work notes"),
        "comments": Column("journal", label="Additional comments"),
    },
    "sys_user": _SYSTEM | {"user_name": _WORD, "name": Column(), "email": Column()},
    "sys_user_group": _SYSTEM | {"name": Column()},
}
DISPLAYED = {"incident": "number", "sys_user": "name", "sys_user_group": "name"}
OVER = ("7", "8")  # states of incidents that are closed, and cannot be changed any more
_RESOLVED = ("6", "7")


def mandatory(values: Mapping[str, str]) -> list[str]:
    """The labels of the fields without which the base system resolves and closes no incident."""
    if values.get("state") not in _RESOLVED:
        return []
    columns = TABLES["incident"]
    return [columns[name].label for name in ("close_code", "close_notes") if not values.get(name)]


def derived(values: Mapping[str, str], now: str) -> dict[str, str]:
    """What business rules of the base system make of an incident's own fields."""
    state = values.get("state") or "1"
    impact, urgency = (int(values.get(name) or "3") for name in ("impact", "urgency"))
    made = {
        "state": state,
        "incident_state": state,
        "active": str(state not in OVER).lower(),
        "impact": str(impact),
        "urgency": str(urgency),
        "priority": str(min(impact + urgency - 1, 5)),
    }
    if state in _RESOLVED and not values.get("resolved_at"):
        made["resolved_at"] = now
    if state in OVER and not values.get("closed_at"):
        made["closed_at"] = now
    return made
