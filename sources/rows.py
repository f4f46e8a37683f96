"""Records that arrive one by one as dicts of text, gathered into batches."""

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from domain.failures import BadInput, Rejected
from sources.batch import CHUNK_ROWS, ROW, Batch, Limits, Profile

Row = dict[str, str | None]
NAME_CHARS = 1_000  # the longest source field that a mapping can name


def batches(
    records: Iterable[Row | Rejected], profile: Profile, limits: Limits, oversize: str
) -> Iterator[Batch]:
    """Number the records from 1 in their order and gather them; fills `profile` on the way.

    A Rejected takes the number of the record it stands for. Raises BadInput: `oversize` for a
    field beyond the limit, `too_many_columns`, `column_name_invalid`.
    """
    rows: dict[int, Row] = {}
    rejected: list[Rejected] = []
    for number, record in enumerate(records, 1):
        if isinstance(record, Rejected):
            rejected.append(record)
        else:
            if not record.keys() <= profile.columns.keys():
                _add_columns(record, number, profile, limits)
            rows[number] = record
        profile.records = number
        if number % CHUNK_ROWS == 0:
            yield _batch(rows, rejected, profile, limits, oversize)
            rows, rejected = {}, []
    if rows or rejected:
        yield _batch(rows, rejected, profile, limits, oversize)


def _add_columns(record: Row, number: int, profile: Profile, limits: Limits) -> None:
    for name in record:
        if name == ROW or "\0" in name or len(name) > NAME_CHARS:
            detail = f"a field cannot be called {name[:50]!r} (reserved, too long or with a NUL)"
            raise BadInput("column_name_invalid", detail, row=number)
        profile.columns[name] = None
    found = len(profile.columns)
    if found > limits.columns:
        detail = f"the records have more than {limits.columns} different fields"
        raise BadInput("too_many_columns", detail, row=number, limit=limits.columns, actual=found)


def _batch(
    rows: dict[int, Row], rejected: list[Rejected], profile: Profile, limits: Limits, oversize: str
) -> Batch:
    fields = pl.DataFrame([*rows.values()], schema=dict.fromkeys(profile.columns, pl.String))
    frame = pl.DataFrame({ROW: [*rows]}, schema={ROW: pl.Int64}).with_columns(fields.get_columns())
    for number, name in _places(frame, lambda text: text.str.len_bytes() > limits.field_bytes):
        detail = f"{name!r} of record {number} is longer than {limits.field_bytes} bytes"
        raise BadInput(oversize, detail, row=number, column=name, limit=limits.field_bytes)
    unstorable = {
        number: Rejected(row=number, field=name, code="nul_not_storable", detail=f"NUL in {name!r}")
        for number, name in _places(frame, lambda text: text.str.contains("\0", literal=True))
    }
    good = frame.filter(~pl.col(ROW).is_in([*unstorable]))
    in_order = sorted((*rejected, *unstorable.values()), key=lambda each: each.row)
    return Batch(good, tuple(in_order))


def _places(frame: pl.DataFrame, test: Callable[[pl.Expr], pl.Expr]) -> Iterator[tuple[int, str]]:
    """The record number and field of every value that meets the test."""
    flags = frame.select(ROW, test(pl.col(pl.String)))
    for name in flags.columns[1:]:
        for number in flags[ROW].filter(flags[name]):
            yield number, name
