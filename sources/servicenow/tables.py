"""Leave out the records of other tables in an export of several, and count them by table.

ServiceNow's JSON and CSV name a record's table in `sys_class_name`, by its name or, where display
values are exported, by its label. A list of tasks holds incidents, changes and problems alike, and
the state codes of one table mean something else in another.
"""

from collections import Counter
from collections.abc import Collection, Iterator

import polars as pl

from domain.failures import BadInput
from domain.values.vocabulary import underscored
from sources.readers.chunk import ROW, Chunk, Profile
from sources.readers.rows import Row

COLUMNS = ("sys_class_name", "sys_class_name.display_value", "Task type", "Task Type")
_COLUMNS = frozenset(COLUMNS)
# Labels of the vendor's tables that differ from the table's name in more than case and spaces.
_LABELS = {"sc_request": "request", "sc_req_item": "requested_item"}
_MOST_NAMED = 100  # other tables that are counted by name
_NAME_CHARS = 100  # of such a name; a column that is only called so may hold any text
_FURTHER = "further tables"


class Others(Counter[str]):
    """How many records were left out, by table; it stays small, whatever a file holds."""

    def add(self, table: str, records: int = 1) -> str:
        """Count records; returns the name under which they are counted."""
        name = table[:_NAME_CHARS]
        if name not in self and len(self) >= _MOST_NAMED:
            name = _FURTHER
        self[name] += records
        return name


class Tables:
    """The wanted tables: names separated by spaces. If there are none, every record is wanted."""

    def __init__(self, wanted: str, profile: Profile) -> None:
        names = wanted.split()
        self._wanted = {*names, *(_LABELS[name] for name in names if name in _LABELS)}
        self._profile = profile
        self._others = Others()

    def column(self, names: Collection[str]) -> str | None:
        """The one of these fields that names a record's table."""
        if not self._wanted or _COLUMNS.isdisjoint(names):
            return None
        return next(name for name in COLUMNS if name in names)

    def takes(self, record: Row) -> bool:
        """Whether the record is wanted; counts it if not. One that names no table is wanted."""
        if record.get(COLUMNS[0]) in self._wanted:  # the usual case
            return True
        column = self.column(record)
        return column is None or self._take(record[column], 1)

    def kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The records of a frame that are wanted."""
        column = self.column(frame.columns)
        if column is None:
            return frame
        names = frame[column]
        found = names.value_counts(name="count").iter_rows()
        other = [name for name, count in found if not self._take(name, count)]
        return frame.filter(~names.is_in(other).fill_null(False)) if other else frame

    def _take(self, table: str | None, count: int) -> bool:
        name = underscored(table or "")
        if not name or name in self._wanted:
            return True
        counted_as = self._others.add(name, count)
        self._profile.ignored[counted_as] = self._others[counted_as]
        return False

    def check(self) -> None:
        """Raises BadInput if all records were of other tables."""
        if self._others and not self._profile.records:
            raise others_alone(self._wanted, self._others)


def others_alone(wanted: Collection[str], others: Others) -> BadInput:
    """The refusal of a file that holds only records of other tables."""
    found = ", ".join(f"{count:,} {name}" for name, count in others.most_common(10))
    detail = f"the file has no {' or '.join(sorted(wanted))} records, but {found}"
    return BadInput("no_records_found", detail)


def only(chunks: Iterator[Chunk], tables: Tables, profile: Profile) -> Iterator[Chunk]:
    """The chunks without records of other tables; the remaining records are numbered anew."""
    for chunk in chunks:
        frame = tables.kept(chunk.frame)
        dropped = chunk.frame.height - frame.height
        left = _numbered(frame, chunk) if dropped else chunk
        if left.records:
            yield left
        profile.records -= dropped
    tables.check()


def _numbered(frame: pl.DataFrame, chunk: Chunk) -> Chunk:
    """What is left of a chunk, its records numbered one after another from its first number on."""
    old = sorted([*frame[ROW], *(each.row for each in chunk.rejected)])
    new = {row: number for number, row in enumerate(old, chunk.first)}
    numbers = pl.Series(ROW, [new[row] for row in frame[ROW]], pl.Int64)
    rejected = (each.model_copy(update={"row": new[each.row]}) for each in chunk.rejected)
    return Chunk(frame.with_columns(numbers), tuple(rejected))
