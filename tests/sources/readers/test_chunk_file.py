"""A chunk comes back as it was written."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from domain.failures import Rejected
from sources.readers.chunk import ROW, Chunk
from sources.readers.chunk_file import read_chunk, write_chunk

VALUES = st.lists(st.none() | st.text(max_size=20), max_size=20)
REJECTED = st.builds(
    Rejected,
    row=st.integers(1, 2**40),
    code=st.text(max_size=5),
    detail=st.text(max_size=9),
    field=st.none() | st.text(max_size=5),
)


@given(VALUES, st.lists(REJECTED, max_size=3))
def test_round_trip(values: list[str | None], rejected: list[Rejected]) -> None:
    frame = pl.DataFrame(
        {ROW: [*range(1, len(values) + 1)], "a\nb": values},
        schema={ROW: pl.Int64, "a\nb": pl.String},
    )
    content = write_chunk(Chunk(frame, tuple(rejected)))
    found = read_chunk(content)
    assert found.frame.equals(frame)
    assert found.frame.schema == frame.schema
    assert found.rejected == tuple(rejected)


def test_common_tools_read_the_table() -> None:
    frame = pl.DataFrame({ROW: [1], "a": ["x"]})
    content = write_chunk(Chunk(frame, (Rejected(row=2, code="c", detail="d"),)))
    assert pl.read_ipc_stream(content).equals(frame)
