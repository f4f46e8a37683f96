"""References of ServiceNow that a script wrote into a cell, as JSON or as a Python dict."""

import ast
import json
from contextlib import suppress
from typing import Any

import polars as pl

from sources.batch import Batch, Profile

# Of these an empty object or array says that there is none; of other fields it may be a value.
REFERENCES = frozenset(
    (
        *("assigned_to", "assignment_group", "caller_id", "requested_for", "opened_by"),
        *("closed_by", "resolved_by", "location", "cmdb_ci", "company", "business_service"),
        *("problem_id", "parent", "parent_incident", "request", "cat_item", "rfc", "caused_by"),
    )
)
_SHAPES = (
    {"value"},
    {"value", "link"},
    {"value", "display_value"},
    {"value", "display_value", "link"},
    {"display_value", "link"},  # as of sysparm_display_value=true
)
_NONE = ("{}", "[]")
_LONGEST = 2_000  # characters of a reference; a text that begins with a brace may be any


def with_references(batch: Batch, profile: Profile) -> Batch:
    """The batch with the `value` of such cells in their place, and what is displayed of them in
    `field.display_value`, as references in JSON are read."""
    columns: dict[str, pl.Series] = {}
    for column in batch.frame.get_columns():
        if column.dtype == pl.String and column.str.starts_with("{").any():
            columns |= _read(column, batch.frame, profile)
    for name in REFERENCES.intersection(batch.frame.columns):
        texts = columns.get(name, batch.frame[name])
        if (texts.str.len_bytes() == len(_NONE[0])).any():
            columns[name] = texts.set(texts.is_in(_NONE).fill_null(False), "")
    return Batch(batch.frame.with_columns(*columns.values()), batch.rejected) if columns else batch


def _read(texts: pl.Series, frame: pl.DataFrame, profile: Profile) -> dict[str, pl.Series]:
    """The column with the values of its references, and one of what they display, if any does."""
    cells = texts.filter(texts.str.starts_with("{")).unique()
    found = {text: each for text in cells if (each := _reference(text)) is not None}
    if not found:
        return {}
    values = texts.replace({text: value for text, (value, _) in found.items()})
    shown = {text: label for text, (_, label) in found.items() if label}
    if not shown:
        return {texts.name: values}
    name = f"{texts.name}.display_value"
    profile.columns[name] = None
    labels = texts.replace_strict(shown, default=None, return_dtype=pl.String).alias(name)
    if name in frame.columns:
        labels = frame[name].zip_with(frame[name].is_not_null(), labels)
    return {texts.name: values, name: labels}


def _reference(text: str) -> tuple[str, str | None] | None:
    """Its value and what is displayed of it; None of any other text."""
    if len(text) > _LONGEST or not text.rstrip().endswith("}"):
        return None
    read = _as_json(text)
    if not isinstance(read, dict) or read.keys() not in _SHAPES:
        return None
    value, shown = read.get("value", ""), read.get("display_value")
    return (value, shown) if isinstance(value, str) and isinstance(shown, str | None) else None


def _as_json(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return read(text)
    return None
