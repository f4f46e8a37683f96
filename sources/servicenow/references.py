"""References of ServiceNow that a script wrote into a cell, as JSON or as a Python dict."""

import ast
import json
from contextlib import suppress
from typing import Any, NamedTuple

import polars as pl

from sources.readers.chunk import Chunk, Profile, columns_with

# Fields that hold references: in them, an empty object or array means that there is none, and an
# object with only a value is a reference. In other fields, somebody may have pasted such a text.
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
_LONGEST = 2_000  # characters of a reference; a longer text is none, though it begins with a brace


def with_references(chunk: Chunk, profile: Profile) -> Chunk:
    """The chunk with each such cell replaced by its `value`, and its display value in the column
    `field.display_value`, just as references in JSON are read."""
    columns: dict[str, pl.Series] = {}
    for column in columns_with(chunk.frame, "{"):
        columns |= _read(column, chunk.frame, profile)
    for name in REFERENCES.intersection(chunk.frame.columns):
        texts = columns.get(name, chunk.frame[name])
        if (texts.str.len_bytes() == len(_NONE[0])).any():
            columns[name] = texts.set(texts.is_in(_NONE).fill_null(False), "")
    return Chunk(chunk.frame.with_columns(*columns.values()), chunk.rejected) if columns else chunk


def _read(texts: pl.Series, frame: pl.DataFrame, profile: Profile) -> dict[str, pl.Series]:
    """The column with its references replaced by their values; beside it, if there are any, columns
    of their display values, and of the links of references without a value."""
    cells = texts.filter(texts.str.starts_with("{")).unique()
    found = {
        text: each
        for text in cells
        if (each := _reference(text)) is not None
        and (texts.name in REFERENCES or each.shown is not None or each.is_linked)
    }
    columns = {texts.name: texts.replace({text: each.value for text, each in found.items()})}
    for member, by_text in (
        ("display_value", {text: each.shown for text, each in found.items() if each.shown}),
        ("link", {text: each.link for text, each in found.items() if each.link and not each.value}),
    ):
        if by_text:
            name = f"{texts.name}.{member}"
            profile.columns[name] = None
            new = texts.replace_strict(by_text, default=None, return_dtype=pl.String).alias(name)
            if name in frame.columns:
                new = frame[name].zip_with(frame[name].is_not_null(), new)
            columns[name] = new
    return columns if found else {}


class _Reference(NamedTuple):
    value: str
    shown: str | None
    link: str | None

    @property
    def is_linked(self) -> bool:
        """Whether the link leads to the value."""
        return bool(self.value) and (self.link or "").endswith(f"/{self.value}")


def _reference(text: str) -> _Reference | None:
    """The reference that the text holds; None if it holds none."""
    if len(text) > _LONGEST or not text.rstrip().endswith("}"):
        return None
    read = _as_json(text)
    if not isinstance(read, dict) or read.keys() not in _SHAPES:
        return None
    value, shown, link = (read.get(name) for name in ("value", "display_value", "link"))
    value = "" if value is None else value
    if not isinstance(value, str) or not all(isinstance(e, str | None) for e in (shown, link)):
        return None
    if any("\0" in (each or "") for each in (value, shown, link)):  # storable only while escaped
        return None
    return _Reference(value, shown, link)


def _as_json(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return read(text)
    return None
