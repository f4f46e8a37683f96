"""Where a chunk ends: a function of the records alone, however they arrive."""

from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.failures import Rejected
from sources.readers import chunking, rows
from sources.readers.chunk import CELL_BYTES, ROW, Chunk, Limits, Profile
from sources.readers.chunking import in_chunks
from sources.readers.rows import Row

COUNT, BYTES = 5, 200
SIZES = st.lists(st.one_of(st.integers(0, 260), st.just(-1)), min_size=1, max_size=60)
CUTS = st.lists(st.integers(1, 7), max_size=60)


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "CHUNK_BYTES", BYTES)
        for module in (chunking, rows):
            patch.setattr(module, "CHUNK_ROWS", COUNT)
        yield


def piece(sizes: list[int], first: int) -> Chunk:
    """Records with so many bytes of text; -1 stands for one that was rejected."""
    good = {number: size for number, size in enumerate(sizes, first) if size >= 0}
    frame = pl.DataFrame(
        {ROW: [*good], "a": ["x" * size for size in good.values()]},
        schema={ROW: pl.Int64, "a": pl.String},
    )
    bad = (number for number, size in enumerate(sizes, first) if size < 0)
    return Chunk(frame, tuple(Rejected(row=number, code="c", detail="d") for number in bad))


def cut(sizes: list[int], lengths: list[int]) -> list[Chunk]:
    """The chunks of the records, which arrive in pieces of those lengths."""
    pieces, start = list[Chunk](), 0
    for length in [*lengths, len(sizes)]:
        if part := sizes[start : start + length]:
            pieces.append(piece(part, start + 1))
        start += length
    return [*in_chunks(pieces)]


def spans(chunks: list[Chunk]) -> list[tuple[int, int]]:
    return [(chunk.first, chunk.records) for chunk in chunks]


@given(SIZES, CUTS)
def test_how_records_arrive_does_not_matter(sizes: list[int], lengths: list[int]) -> None:
    assert spans(cut(sizes, lengths)) == spans(cut(sizes, []))


@given(SIZES, CUTS)
def test_every_record_is_in_one_chunk_in_order(sizes: list[int], lengths: list[int]) -> None:
    chunks = cut(sizes, lengths)
    after = 1
    for chunk in chunks:
        numbers = [*chunk.frame[ROW], *(each.row for each in chunk.rejected)]
        assert sorted(numbers) == [*range(after, after + chunk.records)]
        assert chunk.first == after
        after += chunk.records
    assert after == len(sizes) + 1


@given(SIZES)
def test_a_chunk_keeps_to_both_bounds_and_takes_all_that_fits(sizes: list[int]) -> None:
    chunks = cut(sizes, [])
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        weight = sum(map(len, chunk.frame["a"])) + CELL_BYTES * chunk.frame.height
        assert chunk.records <= COUNT
        assert weight <= BYTES or chunk.frame.height == 1
        if following is not None and chunk.records < COUNT:
            assert following.rejected[:1] == () or following.frame[ROW][0] == following.first
            assert weight + len(following.frame["a"][0]) + CELL_BYTES > BYTES


@given(SIZES, st.integers(1, 7))
def test_records_one_by_one_and_as_columns_are_cut_alike(sizes: list[int], length: int) -> None:
    """JSON and XML come in both ways, whatever their shape allows."""
    records: list[Row | Rejected] = [
        Rejected(row=number, code="c", detail="d") if size < 0 else {"a": "x" * size}
        for number, size in enumerate(sizes, 1)
    ]
    mixed: list[Row | Rejected | pl.DataFrame] = []
    for start in range(0, len(records), length):
        part = records[start : start + length]
        if all(isinstance(each, dict) for each in part):
            mixed.append(pl.DataFrame(part, schema={"a": pl.String}))
        else:
            mixed += part
    one_by_one = [*rows.chunks(records, Profile(), Limits(), "too_large")]
    as_columns = [*rows.chunks(mixed, Profile(), Limits(), "too_large")]
    assert spans(one_by_one) == spans(as_columns) == spans(cut(sizes, []))


def test_columns_that_come_late_count_for_all_rows_of_the_chunk() -> None:
    """A chunk is a table: a thousand columns of one record are cells of every other one."""
    wide: Row = {f"c{number}": "x" for number in range(8)}
    found = rows.chunks([{"a": "x"}, {"a": "x"}, wide, {"a": "x"}], Profile(), Limits(), "x")
    assert spans([*found]) == [(1, 2), (3, 1), (4, 1)]
