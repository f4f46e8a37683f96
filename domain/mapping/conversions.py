"""Source texts into typed target columns. Imports polars: not for workflows or the API."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import polars as pl

from domain.mapping.entity import Kind
from domain.mapping.plan import Plan, Target
from domain.values.dates import INSTANT, read_instants
from domain.values.vocabulary import boolean_of


class Converted(NamedTuple):
    """The values of a target column, and a fault code per row; None when there is no fault."""

    values: pl.Series
    faults: pl.Series | None = None


_DTYPES: Mapping[Kind, type[pl.DataType] | pl.DataType] = {
    "text": pl.String,
    "status": pl.String,
    "priority": pl.Int16,
    "boolean": pl.Boolean,
    "timestamp": INSTANT,
}


def convert(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    """A String column as the target wants it; null stays null, without a fault."""
    if texts.null_count() == len(texts):
        return Converted(pl.Series(texts.name, texts, _DTYPES[target.field.kind], strict=False))
    return _CONVERSIONS[target.field.kind](texts, target, plan)


def fault_where(mask: pl.Series, code: str) -> pl.Series | None:
    """The code in the rows of the mask; None when it has none."""
    return pl.select(pl.when(mask).then(pl.lit(code))).to_series() if mask.any() else None


def _text(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    if target.transformation == "date":
        instants, faults = read_instants(texts, plan.dates_of(target))
        return Converted(instants.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"), faults)
    if target.transformation == "boolean":
        truths, faults = _boolean(texts, target, plan)
        return Converted(truths.cast(pl.String), faults)
    return Converted(_changed(texts, target))


def _changed(texts: pl.Series, target: Target) -> pl.Series:
    match target.transformation:
        case "uppercase":
            return texts.str.to_uppercase()
        case "lowercase":
            return texts.str.to_lowercase()
        case "trim":
            return texts.str.strip_chars().replace("", None)
    return texts


def _boolean(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    return _worded(texts, boolean_of, pl.Boolean, "boolean_invalid")


def _status(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    words = plan.statuses.meaning
    return _worded(_changed(texts, target), words, pl.String, "unknown_value")


def _priority(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    words = plan.priorities.meaning
    return _worded(_changed(texts, target), words, pl.Int16, "unknown_value")


def _worded(
    texts: pl.Series, meaning: Callable[[str], Any], dtype: type[pl.DataType], code: str
) -> Converted:
    """Few words in many rows: each one is looked up once. A blank one is an empty value."""
    words = texts.drop_nulls().unique().to_list()
    meanings = [meaning(word) if word.strip() else None for word in words]
    values = texts.replace_strict(words, meanings, default=None, return_dtype=dtype)
    unknown = [w for w, m in zip(words, meanings, strict=True) if m is None and w.strip()]
    return Converted(values, fault_where(texts.is_in(unknown), code) if unknown else None)


def _timestamp(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    return Converted(*read_instants(texts, plan.dates_of(target)))


_CONVERSIONS: Mapping[Kind, Callable[[pl.Series, Target, Plan], Converted]] = {
    "text": _text,
    "status": _status,
    "priority": _priority,
    "boolean": _boolean,
    "timestamp": _timestamp,
}
