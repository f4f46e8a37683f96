"""Batches of any size, regrouped so that batch n is a function of the records alone."""

from collections.abc import Iterable, Iterator

import polars as pl

from sources.batch import CHUNK_ROWS, ROW, Batch


def in_chunks(pieces: Iterable[Batch]) -> Iterator[Batch]:
    """The same records, CHUNK_ROWS record numbers a batch; pieces are in order and not empty."""
    held: list[Batch] = []
    last = CHUNK_ROWS
    for piece in pieces:
        rest = piece
        while _last_row(rest) > last:
            head, rest = _split(rest, last)
            yield _join([*held, head])
            held, last = [], last + CHUNK_ROWS
        held.append(rest)
    if held:
        yield _join(held)


def _last_row(batch: Batch) -> int:
    rows: list[int] = batch.frame[ROW].tail(1).to_list()
    return max(*rows, *(each.row for each in batch.rejected[-1:]), 0)


def _split(batch: Batch, last: int) -> tuple[Batch, Batch]:
    """The records up to number `last`, and those after it."""
    cut = int(batch.frame[ROW].search_sorted(last, side="right"))
    rejected = batch.rejected
    before = tuple(each for each in rejected if each.row <= last)
    head = Batch(batch.frame.head(cut), before)
    return head, Batch(batch.frame.slice(cut), rejected[len(before) :])


def _join(batches: list[Batch]) -> Batch:
    frame = pl.concat([batch.frame for batch in batches], rechunk=True)
    return Batch(frame, tuple(each for batch in batches for each in batch.rejected))
