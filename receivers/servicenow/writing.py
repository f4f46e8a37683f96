"""What an instance does to a record that is written: rights, policies and rules, in their order.

Each refuses in ServiceNow's own words, with 403. Columns that do not exist, or that the user may
not write, are left out without a word, and the answer is a success.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from receivers.servicenow.columns import OVER, derived, mandatory
from receivers.servicenow.table import Entry, Record, Table, now

_STACK = "aborted by Business Rule '{name}^7b1fd8f1c0a8016600c5b8e9b2d3a4f5'. Business Rule Stack:"


class Refused(Exception):
    """The write is refused: the status, and the error's message and detail."""

    def __init__(self, detail: str, message: str = "Operation Failed", status: int = 403) -> None:
        super().__init__(detail)
        self.status, self.message, self.detail = status, message, detail


@dataclass
class Rules:
    """What a test may change. `unwritable` columns are dropped. `aborts` names a business rule that
    refuses every write, `sets` is what one sets after every write. `demands` are columns without
    which a data policy refuses."""

    may_insert: bool = True
    may_write: bool = True
    unwritable: set[str] = field(default_factory=set)
    demands: set[str] = field(default_factory=set)
    aborts: str = ""
    sets: dict[str, str] = field(default_factory=dict)


def insert(table: Table, given: Mapping[str, Any], rules: Rules, user: str) -> Record:
    """A new record, numbered. A client may choose its sys_id."""
    if not rules.may_insert:
        raise Refused("ACL Exception Insert Failed due to security constraints")
    if given.get("sys_id") in table.records:
        raise Refused(f"Error during insert of {table.name}: unique key violation")
    at = now()
    values = {name: "" for name, column in table.columns.items() if column.kind != "journal"}
    values |= {
        "sys_id": str(given.get("sys_id") or table.new_id()),
        "sys_created_on": at,
        "sys_created_by": user,
        "sys_updated_on": at,
        "sys_updated_by": user,
        "sys_mod_count": "0",
    }
    if "number" in table.columns:
        values |= {"number": table.number(), "opened_at": at}
    record = Record(values)
    _apply(table, record, given, rules, user)
    table.keep(record)
    return record


def update(table: Table, record: Record, given: Mapping[str, Any], rules: Rules, user: str) -> None:
    """Change a record; one to which nothing is new stays as it is, and its time too."""
    is_over = table.name == "incident" and record.values.get("state") in OVER
    if not rules.may_write or is_over:
        raise Refused("ACL Exception Update Failed due to security constraints")
    before = Record(dict(record.values), {name: [*rows] for name, rows in record.journals.items()})
    changed = Record(dict(before.values), {name: [*rows] for name, rows in record.journals.items()})
    _apply(table, changed, given, rules, user)
    if changed == before:
        return
    table.touched(record)
    count = int(before.values.get("sys_mod_count") or "0") + 1
    record.values = changed.values | {
        "sys_updated_on": now(),
        "sys_updated_by": user,
        "sys_mod_count": str(count),
    }
    record.journals = changed.journals
    table.keep(record)


def _apply(table: Table, record: Record, given: Mapping[str, Any], rules: Rules, user: str) -> None:
    for name, said in given.items():
        column = table.columns.get(name)
        if column is None or name in rules.unwritable or name.startswith("sys_"):
            continue
        if column.kind == "journal":
            if said:
                record.journals.setdefault(name, []).append(Entry(now(), user, str(said)))
        else:
            record.values[name] = _text(said)[: column.length]
    if table.name == "incident":
        missing = [*mandatory(record.values), *_demanded(record, rules)]
        if missing:
            which = ", ".join(missing)
            raise Refused(f"Data Policy Exception: The following fields are mandatory: {which}")
        record.values |= derived(record.values, now())
    if rules.aborts:
        stack = _STACK.format(name=rules.aborts)
        raise Refused(f"Operation against file '{table.name}' was {stack}{rules.aborts}")
    record.values |= rules.sets


def _demanded(record: Record, rules: Rules) -> list[str]:
    return sorted(name for name in rules.demands if not record.values.get(name))


def _text(said: Any) -> str:
    """A value of JSON as the database has it."""
    if isinstance(said, bool):
        return str(said).lower()
    return "" if said is None else str(said)
