"""The kinds of fields. A kind says how a column of texts becomes values, of what type these are,
and how a default is read.

Cheap to import: a kind loads polars when it converts a column. The type of its column in
PostgreSQL is in `storage.migration.tables`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from domain.values.reading import Converted, ReadingRules
from domain.values.vocabulary import PLANNING, boolean_of, priority_kept
from domain.values.zones import instant

if TYPE_CHECKING:  # polars must not come into the API process
    import polars as pl
    from polars.datatypes import DataType, DataTypeClass

Value = str | bool | int | datetime


class Kind(ABC):
    """What a field can hold.

    In a `worded` kind, texts are words whose meanings a mapping can set. `options` names those
    members of a FieldMapping that `convert` obeys.
    """

    name: ClassVar[str]
    worded: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def read_default(self, text: str, rules: ReadingRules) -> Value | None:
        """The value that a mapping's `defaultValue` stands for; None if it has none."""

    def dtype(self) -> "DataType | DataTypeClass":
        """The type of a converted column: text, unless a kind says otherwise."""
        from polars import String

        return String

    @abstractmethod
    def convert(self, texts: "pl.Series", rules: ReadingRules) -> Converted:
        """A String column as values of this kind; null stays null, without a fault."""


class _Text(Kind):
    name = "text"

    def read_default(self, text: str, rules: ReadingRules) -> Value | None:
        return text

    def convert(self, texts: "pl.Series", rules: ReadingRules) -> Converted:
        return Converted(texts)


class _Timestamp(Kind):
    name = "timestamp"
    options = ("date_format",)

    def read_default(self, text: str, rules: ReadingRules) -> Value | None:
        try:
            at = datetime.fromisoformat(text)
            return at.astimezone(UTC) if at.tzinfo else instant(at, rules.dates.zone)
        except (ValueError, OverflowError):
            return None

    def dtype(self) -> "DataType | DataTypeClass":
        from domain.values.dates import INSTANT

        return INSTANT

    def convert(self, texts: "pl.Series", rules: ReadingRules) -> Converted:
        from domain.values.dates import read_instants

        return Converted(*read_instants(texts, rules.dates))


class _Boolean(Kind):
    name = "boolean"

    def read_default(self, text: str, rules: ReadingRules) -> Value | None:
        return boolean_of(text)

    def dtype(self) -> "DataType | DataTypeClass":
        from polars import Boolean

        return Boolean

    def convert(self, texts: "pl.Series", rules: ReadingRules) -> Converted:
        from domain.values.lookup import look_up

        return look_up(texts, boolean_of, self.dtype(), "boolean_invalid")


class _Status(Kind):
    name = "status"
    worded = True

    def read_default(self, text: str, rules: ReadingRules) -> Value | None:
        return rules.statuses.default(text)

    def convert(self, texts: "pl.Series", rules: ReadingRules) -> Converted:
        from domain.values.lookup import look_up

        return look_up(texts, rules.statuses.meaning, self.dtype(), "unknown_value")


class _Priority(Kind):
    name = "priority"
    worded = True

    def read_default(self, text: str, rules: ReadingRules) -> Value | None:
        """A default may also be 5, the lowest priority of the platform's scale, stored as 4."""
        found = rules.priorities.default(text)
        return priority_kept(PLANNING) if found is None and text == str(PLANNING) else found

    def dtype(self) -> "DataType | DataTypeClass":
        from polars import Int16

        return Int16

    def convert(self, texts: "pl.Series", rules: ReadingRules) -> Converted:
        from domain.values.lookup import look_up

        return look_up(texts, rules.priorities.meaning, self.dtype(), "unknown_value")


TEXT, TIMESTAMP, BOOLEAN = _Text(), _Timestamp(), _Boolean()
STATUS, PRIORITY = _Status(), _Priority()

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (TEXT, TIMESTAMP, BOOLEAN, STATUS, PRIORITY)
}
