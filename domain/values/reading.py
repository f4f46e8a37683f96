"""The rules by which the values of a file are read, and the result for a column.

Cheap to import: polars is imported for type checks only.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from domain.values.date_rules import DateRules
from domain.values.vocabulary import Words

if TYPE_CHECKING:  # polars must not come into the API process
    import polars as pl


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """What the words of a file mean, and how its dates are written."""

    statuses: Words[str]
    priorities: Words[int]
    dates: DateRules


class Converted(NamedTuple):
    """The values of a target column. `faults` has a code or null per row; None if no row has a
    fault."""

    values: "pl.Series"
    faults: "pl.Series | None" = None
