"""ServiceNow's JSON: exports, and replies of its Table API.

See the vendor's "Exporting JSON data" and "Table API"; sources/readers/json/envelope.py lists the
shapes of such files.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import polars as pl

from domain.failures import Rejected
from domain.json_document import Json
from sources.readers.chunk import Chunk, Limits, Profile
from sources.readers.json.envelope import Envelopes
from sources.readers.json.sender import failure_in, has_failures
from sources.readers.json.text import JsonText, Number
from sources.readers.rows import NAME_CHARS, Row, chunks
from sources.servicenow.references import REFERENCES, with_references
from sources.servicenow.tables import Tables

_TEXT = frozenset((str,))
_REFERENCE = {"value", "display_value", "link"}


def read_json(stream: BinaryIO, profile: Profile, table: str, limits: Limits) -> Iterator[Chunk]:
    """Read the records of `table`, which may name several tables, separated by spaces; those that
    name another one are counted in `profile.ignored`.

    Values become text: numbers as written, booleans `true` and `false`, arrays as JSON. A
    reference `{link, value, display_value}`, also one that a script wrote as text, fills `field`
    and `field.display_value`; other objects are flattened with dots. A record in whose place the
    sender reports a failure is rejected. Raises BadInput with line, column and offset.
    """
    text = JsonText(stream, limits)
    profile.encoding = text.encoding
    tables = Tables(table, profile)
    records = _records(text, Envelopes(text, profile, limits).runs(), tables)
    for chunk in chunks(records, profile, limits, oversize="json_field_too_large"):
        yield with_references(chunk, profile) if text.quotes_braces else chunk
    tables.check()


def _records(
    text: JsonText, runs: Iterator[list[Any]], tables: Tables
) -> Iterator[Row | Rejected | pl.DataFrame]:
    left_out = 0  # records of other tables, which get no number
    for run in runs:
        frame = _frame(run) if len(run) > 1 else None
        if frame is not None:
            kept = tables.kept(frame)
            left_out += frame.height - kept.height
            yield kept
            continue
        for row, value in enumerate(run, text.row - len(run) + 1):
            record = _record(value, row - left_out, text.repeated)
            if isinstance(record, Rejected) or tables.takes(record):
                yield record
            else:
                left_out += 1


def _frame(run: list[Json]) -> pl.DataFrame | None:
    """Records of one shape that hold nothing but text and numbers, as columns; else None."""
    try:
        fields = [*run[0]]
        if not fields or any(map(fields.__ne__, map(list, run))):
            return None
        schema = dict.fromkeys(fields, pl.String)
        frame = pl.DataFrame([*zip(*map(dict.values, run), strict=True)], schema, orient="col")
    except TypeError:  # a boolean, an object, an array; or no record at all
        return None
    return None if has_failures(frame) else frame


def _record(value: Any, row: int, repeated: str | None) -> Row | Rejected:
    if not isinstance(value, dict):
        return Rejected(row=row, code="record_not_object", detail="the record is not an object")
    if words := failure_in(value):
        detail = f"the sender says that it could not export the record: {words}"
        return Rejected(row=row, code="record_not_exported", detail=detail)
    if repeated is None:
        if _TEXT.issuperset(map(type, value.values())):
            return value
        pairs = list(_fields(value))
        record = dict(pairs)
        if len(record) == len(pairs):
            return record
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
    name = repeated[:NAME_CHARS]
    detail = f"the record has {name!r} twice"
    return Rejected(row=row, field=name, code="json_duplicate_key", detail=detail)


def _fields(record: Json, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for name, value in record.items():
        field = prefix + name
        if value is None or isinstance(value, str):
            yield field, value
        elif isinstance(value, dict) and "value" in value and value.keys() <= _REFERENCE:
            yield from _reference(field, value)
        elif isinstance(value, dict) and value:
            yield from _fields(value, f"{field}.")
        else:
            yield field, "" if not value and name in REFERENCES else _as_json(value)


def _reference(field: str, value: Json) -> Iterator[tuple[str, str | None]]:
    for name, text in _fields(value, f"{field}."):
        if name == f"{field}.value":
            yield field, text
        elif name != f"{field}.link" or not (text or "").endswith(f"/{value['value']}"):
            yield name, text


def _as_json(value: Any) -> str:
    if isinstance(value, Number):
        return value
    if isinstance(value, list):
        return f"[{','.join(map(_as_json, value))}]"
    if isinstance(value, dict):
        members = (f"{_as_json(name)}:{_as_json(each)}" for name, each in value.items())
        return f"{{{','.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)
