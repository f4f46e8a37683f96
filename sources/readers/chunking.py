"""Where a chunk ends: chunks of any size, regrouped so that chunk n is a function of the records.

A chunk takes the next record if it then has at most CHUNK_ROWS records, and its text and cells
at most CHUNK_BYTES; its first row always fits. A limit on rows alone once made chunks of
gigabytes, which killed the worker that read them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from sources.readers.chunk import (
    CELL_BYTES,
    CHUNK_BYTES,
    CHUNK_ROWS,
    ROW,
    Chunk,
    text_bytes,
    total_text,
)


@dataclass(slots=True)
class Room:
    """What a chunk holds so far, which decides what else fits. A rejected record weighs nothing."""

    records: int = 0
    rows: int = 0
    text: int = 0

    def fitting(self, text: pl.Series, columns: pl.Series | int) -> int:
        """How many of the next rows fit by weight. `text` holds the bytes of text of each row,
        `columns` how many columns the chunk has once it holds that row (never falling)."""
        rows = pl.int_range(self.rows + 1, self.rows + 1 + len(text), eager=True)
        weight = text.cum_sum() + self.text + rows * columns * CELL_BYTES
        fitting = int((weight <= CHUNK_BYTES).sum())
        return fitting if self.rows or not len(text) else max(fitting, 1)

    def holds(self, rows: int, text: int, columns: int) -> bool:
        """Whether so many more rows, with so many bytes of text, fit by weight."""
        cells = (self.rows + rows) * columns
        return self.text + text + cells * CELL_BYTES <= CHUNK_BYTES

    def takes(self, text: int, columns: int) -> bool:
        """Whether one more row fits, as the first one always does."""
        return not self.rows or self.holds(1, text, columns)

    def add(self, records: int, rows: int, text: int) -> None:
        self.records += records
        self.rows += rows
        self.text += text


def in_chunks(pieces: Iterable[Chunk]) -> Iterator[Chunk]:
    """Regroup the records of `pieces` into chunks; pieces are in file order and not empty."""
    held, room, first = list[Chunk](), Room(), 1
    for piece in pieces:
        rest = piece
        while (last := _last_fitting(rest, room, first)) < _last_row(rest):
            head, rest = _split(rest, last)
            yield _join([*held, head])
            held, room, first = [], Room(), last + 1
        held.append(rest)
        room.add(rest.records, rest.frame.height, total_text(rest.frame))
    if held:
        yield _join(held)


def _last_fitting(piece: Chunk, room: Room, first: int) -> int:
    """The number of the piece's last record that fits into the chunk that began with `first`."""
    by_count = first + CHUNK_ROWS - 1
    rows, columns = piece.frame.height, piece.frame.width - 1
    if room.holds(rows, total_text(piece.frame), columns):  # the usual case
        return min(by_count, _last_row(piece))
    fitting = room.fitting(text_bytes(piece.frame), columns)
    if fitting == rows:
        return min(by_count, _last_row(piece))
    return min(by_count, int(piece.frame[ROW][fitting]) - 1)


def _last_row(chunk: Chunk) -> int:
    rows: list[int] = chunk.frame[ROW].tail(1).to_list()
    return max(*rows, *(each.row for each in chunk.rejected[-1:]), 0)


def _split(chunk: Chunk, last: int) -> tuple[Chunk, Chunk]:
    """The records up to number `last`, and those after it."""
    cut = int(chunk.frame[ROW].search_sorted(last, side="right"))
    rejected = chunk.rejected
    before = tuple(each for each in rejected if each.row <= last)
    head = Chunk(chunk.frame.head(cut), before)
    return head, Chunk(chunk.frame.slice(cut), rejected[len(before) :])


def _join(chunks: list[Chunk]) -> Chunk:
    # Pieces differ in columns: a column without a name, or with the display values of references,
    # is there only where it has values.
    frame = pl.concat([chunk.frame for chunk in chunks], how="diagonal", rechunk=True)
    return Chunk(frame, tuple(each for chunk in chunks for each in chunk.rejected))
