"""The transformations that a mapping can apply to texts before a field reads them.

Cheap to import: polars is loaded when a column is changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.mapping.kinds import BOOLEAN, PRIORITY, STATUS, TEXT, TIMESTAMP, Kind
from domain.values.reading import Converted, ReadingRules

if TYPE_CHECKING:  # polars must not come into the API process
    import polars as pl


@dataclass(frozen=True, slots=True)
class Transformation:
    """A change of texts into other texts, for fields of these `kinds`. Fields of other kinds read
    the texts unchanged, since they interpret them in their own way.

    `options` names those members of a FieldMapping that `apply` obeys.
    """

    name: str
    kinds: tuple[Kind, ...]
    apply: Callable[["pl.Series", ReadingRules], Converted]
    options: tuple[str, ...] = ()


def _uppercase(texts: "pl.Series", rules: ReadingRules) -> Converted:
    return Converted(texts.str.to_uppercase())


def _lowercase(texts: "pl.Series", rules: ReadingRules) -> Converted:
    return Converted(texts.str.to_lowercase())


def _trim(texts: "pl.Series", rules: ReadingRules) -> Converted:
    return Converted(texts.str.strip_chars().replace("", None))


def _date(texts: "pl.Series", rules: ReadingRules) -> Converted:
    instants, faults = TIMESTAMP.convert(texts, rules)
    return Converted(instants.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"), faults)


def _boolean(texts: "pl.Series", rules: ReadingRules) -> Converted:
    truths, faults = BOOLEAN.convert(texts, rules)
    return Converted(truths.cast(TEXT.dtype()), faults)


_WORDS = (TEXT, STATUS, PRIORITY)

TRANSFORMATIONS: Mapping[str, Transformation] = {
    each.name: each
    for each in (
        Transformation("uppercase", _WORDS, _uppercase),
        Transformation("lowercase", _WORDS, _lowercase),
        Transformation("trim", _WORDS, _trim),
        Transformation("date", (TEXT,), _date, options=TIMESTAMP.options),
        Transformation("boolean", (TEXT,), _boolean),
    )
}
