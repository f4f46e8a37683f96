"""References of ServiceNow that a script wrote into a CSV cell, as JSON or as a Python dict."""

import ast
import json
from typing import Any

import polars as pl

from sources.batch import Batch, Profile

_KEYS = {"value", "display_value", "link"}
_LONGEST = 2_000  # characters of a reference; a text that begins with a brace may be any


def with_references(batch: Batch, profile: Profile) -> Batch:
    """The batch with the `value` of such cells in their place, and what is displayed of them in
    `field.display_value`, as references in JSON are read."""
    columns: list[pl.Series] = []
    for texts in batch.frame.get_columns():
        if texts.dtype != pl.String or not texts.str.starts_with("{").any():
            continue
        found = {text: _reference(text) for text in texts.unique() if text.startswith("{")}
        known = {text: each for text, each in found.items() if each is not None}
        columns.append(texts.replace({text: value for text, (value, _) in known.items()}))
        shown = {text: label for text, (_, label) in known.items() if label}
        name = f"{texts.name}.display_value"
        if shown and name not in batch.frame.columns:
            profile.columns[name] = None
            columns.append(texts.replace_strict(shown, default=None).alias(name))
    return Batch(batch.frame.with_columns(columns), batch.rejected) if columns else batch


def _reference(text: str) -> tuple[str, str | None] | None:
    """Its value and what is displayed of it; None of any other text."""
    if len(text) > _LONGEST or not text.rstrip().endswith("}"):
        return None
    read = _as_json(text)
    if not isinstance(read, dict) or "value" not in read or not read.keys() <= _KEYS:
        return None
    value, shown = read["value"], read.get("display_value")
    if not isinstance(value, str) or not isinstance(shown, str | None):
        return None
    return value, shown


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
