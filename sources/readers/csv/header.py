"""The header of a CSV file: the names of its columns, made up for those without one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from domain.failures import BadInput
from sources.readers.chunk import ROW, Limits
from sources.readers.encoding import BAD
from sources.readers.rows import NAME_CHARS

_LISTED = 10  # columns or names that a refusal lists
_FORMULA = re.compile(r'^="([^"]*)"$')


@dataclass(frozen=True, slots=True)
class Header:
    """The `cells` of the header as they stand in the file, and the `names` of all columns.

    The cells of columns in `unnamed` are blank: these columns are called `column N`, and kept only
    where they hold values, as many tools end each line with a delimiter.
    """

    cells: tuple[str, ...]
    names: tuple[str, ...]
    unnamed: frozenset[str]

    @property
    def width(self) -> int:
        """How many cells a complete record has at least: up to the last column with a name."""
        return max(n for n, name in enumerate(self.names, 1) if name not in self.unnamed)

    @property
    def mark(self) -> tuple[int, str]:
        """The position (from 0) of the first named column, and the text of its cell, without which
        a record is no repetition of the header."""
        position = next(n for n, name in enumerate(self.names) if name not in self.unnamed)
        return position, _plain(self.cells[position])

    def is_repeated(self, fields: Sequence[str]) -> bool:
        """Whether a record repeats the header, as where exports were joined. A record of one cell
        never counts as a repetition: the word may be a value."""
        return len(fields) > 1 and [_plain(each) for each in fields] == [
            _plain(each) for each in self.cells
        ]


def read_header(fields: list[str] | None, limits: Limits) -> Header:
    """Make the header from the fields of the first record. Raises BadInput: `file_empty`,
    `csv_header_invalid`, `csv_duplicate_header`, `too_many_columns`."""
    if fields is None:
        raise BadInput("file_empty", "the file has no header and no records")
    found = [_FORMULA.sub(r"\1", _plain(name)) for name in fields]  # empty for blank cells
    if len(found) > limits.columns:
        detail = f"the header has {len(found)} columns, more than {limits.columns}"
        raise BadInput("too_many_columns", detail, limit=limits.columns, actual=len(found))
    if not any(found):
        _refuse(1, "is blank, as all others are")
    for position, name in enumerate(found, 1):
        if name == ROW or "\0" in name or len(name) > NAME_CHARS:
            _refuse(position, "is reserved, too long or has a NUL")
        if BAD in name:
            _refuse(position, "has bytes that are not UTF-8")
    _check_distinct(found)
    seen = {*found}
    names = [name or _free(position, seen) for position, name in enumerate(found, 1)]
    return Header(tuple(fields), tuple(names), frozenset(names) - seen)


def _check_distinct(names: Sequence[str]) -> None:
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(names, 1):
        positions.setdefault(name, []).append(position)
    repeated = {name: each for name, each in positions.items() if name and len(each) > 1}
    if repeated:
        said = [f"{name!r} (columns {_listed(each)})" for name, each in repeated.items()]
        detail = f"columns have the same name: {_listed(said)}; rename them in the header"
        raise BadInput("csv_duplicate_header", detail, column=next(iter(repeated)))


def _listed(items: Sequence[object]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(map(str, items[:_LISTED])) + more


def _plain(cell: str) -> str:
    """A cell without a leading byte order mark and without blanks around it."""
    return cell.removeprefix("\ufeff").strip()


def _free(position: int, taken: set[str]) -> str:
    """A name for the unnamed column at the position, unlike all names in `taken`."""
    name = f"column {position}"
    while name in taken:
        name += "'"
    return name


def _refuse(position: int, reason: str) -> NoReturn:
    detail = f"cell {position} of the header {reason}"
    raise BadInput("csv_header_invalid", detail, column=position)
