"""How the Table API shows a record: raw values, display values, or both; references with links.

After docs.servicenow.com, "Table API": `sysparm_display_value`, `sysparm_exclude_reference_link`
and `sysparm_fields`. A journal has no raw value. Display values of times are in the time zone of
the user, here eight hours behind UTC.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from receivers.servicenow.columns import DISPLAYED, Column
from receivers.servicenow.table import Entry, Record, Table

_FORM = "%Y-%m-%d %H:%M:%S"
_ZONE = timedelta(hours=-8)


@dataclass(frozen=True, slots=True)
class View:
    """What a request asks to see, of an instance at `url` with these tables."""

    url: str
    tables: Mapping[str, Table]
    unreadable: Collection[str]
    fields: tuple[str, ...]
    display: str  # false, true, all
    links: bool

    def show(self, table: Table, record: Record) -> dict[str, object]:
        """The record without fields that do not exist or may not be read."""
        names = self.fields or tuple(table.columns)
        known = [name for name in names if name in table.columns and name not in self.unreadable]
        return {name: self._field(table.columns[name], name, record) for name in known}

    def _field(self, column: Column, name: str, record: Record) -> object:
        raw = record.values.get(name, "")
        shown = self._displayed(column, name, record)
        link = f"{self.url}/api/now/table/{column.refers}/{raw}" if column.refers and raw else ""
        linked: dict[str, str] = {"link": link} if link and self.links else {}
        if self.display == "all":
            return {"display_value": shown, "value": raw, **linked}
        if self.display == "true":
            return {"display_value": shown, **linked} if linked else shown
        return {"value": raw, **linked} if linked else raw

    def _displayed(self, column: Column, name: str, record: Record) -> str:
        raw = record.values.get(name, "")
        match column.kind:
            case "journal":
                entries = reversed(record.journals.get(name, []))
                return "".join(_entry(each, column.label) for each in entries)
            case "datetime":
                return local(raw)
            case "reference":
                table = self.tables.get(column.refers)
                found = table.records.get(raw) if table else None
                return found.values.get(DISPLAYED[column.refers], raw) if found else raw
        return column.choices.get(raw, raw)


def local(raw: str) -> str:
    """A time in the user's zone."""
    try:
        return (datetime.strptime(raw, _FORM) + _ZONE).strftime(_FORM)  # noqa: DTZ007
    except ValueError:
        return raw


def _entry(entry: Entry, label: str) -> str:
    return f"{local(entry.at)} - {entry.by} ({label})\n{entry.text}\n\n"
