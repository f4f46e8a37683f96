"""Content hashes are stored, so they may never change."""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from domain.mapping.canonical import content_hash

SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "title": pl.String,
    "priority": pl.Int16,
    "active": pl.Boolean,
    "created_at": pl.Datetime("us", "UTC"),
    "custom": pl.String,
}
ROW = ("Printer", 2, True, datetime(2024, 7, 1, 12, tzinfo=UTC), '{"a":"b"}')


def hash_of(*values: object, schema: Mapping[str, type[pl.DataType] | pl.DataType] = SCHEMA) -> int:
    frame = pl.DataFrame([values], schema=schema, orient="row")
    return int(content_hash(frame).item())


def test_the_hash_of_a_row_is_the_one_it_always_was() -> None:
    assert hash_of(*ROW) == 7941275840727771119


def test_a_field_that_is_new_and_empty_changes_nothing() -> None:
    assert hash_of(*ROW, None, schema=SCHEMA | {"new_field": pl.String}) == hash_of(*ROW)


def test_a_value_counts_by_the_field_it_is_in() -> None:
    schema = {"impact": pl.String, "urgency": pl.String}
    assert hash_of("1", "2", schema=schema) != hash_of("2", "1", schema=schema)
    assert hash_of("1", "1", schema=schema) != hash_of("2", "2", schema=schema)
    assert hash_of("1", None, schema=schema) != hash_of(None, "1", schema=schema)


ROWS = st.tuples(
    st.none() | st.text("ab\0", min_size=1, max_size=3),
    st.none() | st.integers(1, 4),
    st.none() | st.booleans(),
    st.none() | st.datetimes().map(lambda at: at.replace(tzinfo=UTC)),
    st.none() | st.text("ab{}", min_size=1, max_size=3),
)


@given(ROWS, st.integers(0, 4), ROWS)
def test_rows_hash_alike_only_if_they_hold_the_same(
    row: tuple[object, ...], place: int, other: tuple[object, ...]
) -> None:
    changed = (*row[:place], other[place], *row[place + 1 :])
    assert (hash_of(*row) == hash_of(*changed)) == (row == changed)
