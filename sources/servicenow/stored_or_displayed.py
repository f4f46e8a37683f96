"""Whether a ServiceNow file holds values as they are stored, or as they were displayed to somebody.

Stored time stamps are UTC; displayed ones are in the zone and the format of the exporting user. The
Table API gives the former, the latter (`sysparm_display_value=true`) or both (`all`: `value` is as
stored). No field of a file says which it has; the values themselves show it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from sources.source import Record, Values

# Their stored values are numbers; those of other choices (stage, approval) may be words.
_NUMBERED = ("state", "incident_state", "priority", "impact", "urgency")
_STAMPS = ("opened_at", "sys_created_on", "sys_updated_on", "resolved_at", "closed_at", "due_date")
_NUMBER = re.compile(r"-?\d+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")  # scripts may write T between date and time
_SHOWN = ".display_value"


def values_of(columns: Sequence[str], records: Iterable[Record]) -> Values | None:
    """What the file's columns and some of its records show; None if they show nothing."""
    if any(f"{name}{_SHOWN}" in columns for name in _STAMPS if name in columns):
        return "both"
    alone = (each for each in columns if each.endswith(_SHOWN))
    if any(each.removesuffix(_SHOWN) not in columns for each in alone):
        return "displayed"
    found = {*_evidence(records)}
    return "displayed" if "displayed" in found else "stored" if found else None


def _evidence(records: Iterable[Record]) -> Iterator[Values]:
    for record in records:
        for name in _NUMBERED:
            if text := (record.get(name) or "").strip():
                yield "stored" if _NUMBER.fullmatch(text) else "displayed"
        for name in _STAMPS:
            text = (record.get(name) or "").strip()
            if text and not _DATE.match(text):
                yield "displayed"
