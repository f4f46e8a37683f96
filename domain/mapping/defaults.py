"""The value that a mapping's `defaultValue` stands for in a typed column."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.mapping.entity import Field, Kind
from domain.values.vocabulary import PLANNING, Words, boolean_of, priority_kept
from domain.values.zones import instant

Value = str | bool | int | datetime


@dataclass(frozen=True, slots=True)
class Defaults:
    """Reads defaults with the words and the zone of one mapping."""

    statuses: Words[str]
    priorities: Words[int]
    zone: str = "UTC"

    def value(self, raw: str | bool | int | None, field: Field) -> Value | None:
        """The typed default; empty means none. Raises ValueError if the field cannot hold it."""
        text = str(raw).lower() if isinstance(raw, bool) else raw if raw is None else str(raw)
        if not text:
            return None
        readers: Mapping[Kind, Callable[[str], Value | None]] = {
            "text": str,
            "status": self.statuses.default,
            "priority": self._priority,
            "boolean": boolean_of,
            "timestamp": self._instant,
        }
        value = readers[field.kind](text)
        if value is None or "\0" in text:
            raise ValueError(f"{raw!r} cannot be the default of the {field.kind} {field.name}")
        return value

    def _priority(self, text: str) -> int | None:
        """A default is said in the platform's scale, which ends with 5."""
        found = self.priorities.default(text)
        return priority_kept(PLANNING) if found is None and text == str(PLANNING) else found

    def _instant(self, text: str) -> datetime | None:
        try:
            at = datetime.fromisoformat(text)
            return at.astimezone(UTC) if at.tzinfo else instant(at, self.zone)
        except (ValueError, OverflowError):
            return None
