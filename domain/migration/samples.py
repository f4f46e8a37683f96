"""The sample records of a preview. Imports polars: not for workflows or the API."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from domain.json_document import Json
from domain.mapping.columns import ROW, Mapped
from domain.migration.preview import SAMPLES, SampleRecord

_SHOWN_CHARACTERS = 1_000  # of a value: the preview is stored as one document, and people read it
_NOT_FIELDS = {ROW, "source_id", "content_hash"}


def sample_records(frame: pl.DataFrame, mapped: Mapped) -> tuple[SampleRecord, ...]:
    """The first SAMPLES records of a batch and what `map_columns` made of them, long values cut."""
    return tuple(_samples(frame.head(SAMPLES), mapped.rows))


def _samples(frame: pl.DataFrame, rows: pl.DataFrame) -> Iterator[SampleRecord]:
    wanted = rows.filter(pl.col(ROW).is_in(frame[ROW].implode()))
    by_row = {each[ROW]: each for each in wanted.iter_rows(named=True)}
    for source in frame.iter_rows(named=True):
        mapped = by_row.get(source[ROW])
        yield SampleRecord(
            row=source[ROW],
            source_id=mapped and mapped["source_id"],
            source={name: _shown_text(value) for name, value in source.items() if name != ROW},
            mapped=mapped and _shown(mapped),
        )


def _shown(mapped: Json) -> Json:
    fields = {name: _json(value) for name, value in mapped.items() if name not in _NOT_FIELDS}
    custom = json.loads(mapped["custom"] or "{}")
    return fields | {"custom": {name: _shown_text(value) for name, value in custom.items()}}


def _shown_text(value: Any) -> Any:
    """The value; of a long text, its beginning and its length."""
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]}… ({len(value):,} characters)"
    return value


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return _shown_text(value)
