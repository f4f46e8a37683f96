"""Mapped rows as COPY text.

CSV rather than binary: polars writes it from whole columns, and PostgreSQL tells an unquoted
empty field (null) from a quoted one (the empty string).
"""

import io

import polars as pl

_RENAMED = {"_row": "source_row"}


def copy_columns(rows: pl.DataFrame) -> list[str]:
    """The table's columns that these rows fill, in the order of `to_csv`."""
    return [_RENAMED.get(name, name) for name in rows.columns]


def to_csv(rows: pl.DataFrame) -> bytes:
    """The rows as CSV for `COPY … (FORMAT csv)`: no header, UTC time stamps, null unquoted."""
    text = io.BytesIO()
    rows.write_csv(text, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
    return text.getvalue()


def in_schema(rows: pl.DataFrame, constants: dict[str, str]) -> pl.DataFrame:
    """The mapped rows with the columns that are the same for the whole import."""
    return rows.with_columns(
        pl.col("custom").fill_null("{}"),
        **{name: pl.lit(value) for name, value in constants.items()},
    )
