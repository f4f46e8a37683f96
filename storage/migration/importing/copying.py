"""Writes mapped rows to tables by COPY, as CSV.

CSV rather than COPY's binary format: polars writes it from whole columns, and PostgreSQL
distinguishes an unquoted empty field (null) from a quoted one (the empty string).
"""

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import asyncpg
import polars as pl

_RENAMED = {"_row": "source_row"}


def copy_columns(rows: pl.DataFrame) -> list[str]:
    """The table's columns that these rows fill, in the order of `to_csv`."""
    return [_RENAMED.get(name, name) for name in rows.columns]


def to_csv(rows: pl.DataFrame) -> bytes:
    """The rows as CSV for `COPY … (FORMAT csv)`: no header, UTC time stamps, null unquoted."""
    text = io.BytesIO()
    times = (column for column in rows if column.dtype == pl.Datetime)
    # Formatting is half of the time here, and a fraction a quarter of that; few exports have any.
    fraction = "%.6f" if any(time.dt.microsecond().max() for time in times) else ""
    rows.write_csv(text, include_header=False, datetime_format=f"%Y-%m-%d %H:%M:%S{fraction}+00")
    return text.getvalue()


def in_schema(rows: pl.DataFrame, constants: dict[str, str]) -> pl.DataFrame:
    """The mapped rows, with the `constants` that are the same for the whole import as columns."""
    return rows.with_columns(
        pl.col("custom").fill_null("{}"),
        **{name: pl.lit(value) for name, value in constants.items()},
    )


async def copy_rows(
    driver: "asyncpg.Connection[Any]",
    table: tuple[str | None, str],
    columns: Sequence[str],
    csv: bytes,
) -> None:
    """COPY the text into a table (schema and name). Raises ConnectionError if the connection is
    lost.

    asyncpg alone would then wait for ever: its copy_in waits for room in the buffer of the lost
    connection (`writing_allowed`), and nothing empties that buffer.
    """
    lost = asyncio.get_running_loop().create_future()
    schema, name = table

    def note_loss(_: object) -> None:
        if not lost.done():
            lost.set_result(None)

    driver.add_termination_listener(note_loss)
    copying = asyncio.create_task(
        driver.copy_to_table(
            name, schema_name=schema, columns=columns, source=io.BytesIO(csv), format="csv"
        )
    )
    try:
        await asyncio.wait({copying, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not copying.done():
            raise ConnectionError("the connection was lost in the middle of a COPY")
    finally:
        copying.cancel()
        await asyncio.wait({copying})
        driver.remove_termination_listener(note_loss)
    copying.result()
