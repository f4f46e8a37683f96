"""What every format reader yields, and the limits that it enforces."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import polars as pl

from domain.failures import Rejected

CHUNK_ROWS = 10_000
CHUNK_BYTES = 16 * 2**20
CELL_BYTES = 16  # that polars keeps for each value beside its text, also for null
ROW = "_row"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one file. A file beyond a limit is refused, with the limit named by the error;
    it is never truncated."""

    record_bytes: int = 16 * 2**20
    field_bytes: int = 2**20
    columns: int = 2_000
    json_depth: int = 64
    xml_depth: int = 256
    xml_attributes: int = 1_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to CHUNK_ROWS records of a file in file order, fewer where they exceed CHUNK_BYTES.

    `frame` holds `_row` (Int64, the record's number in the file, from 1) and one String column per
    source field; a field that a record does not have is null, an empty one is "". No name and no
    text has U+0000, which PostgreSQL does not store. `rejected` names the records that could not be
    read: they have a row number but no row in `frame`. A chunk accounts for consecutive row
    numbers, and where it ends depends on its own records alone (see sources.readers.chunking.Room),
    so chunk n is a function of the file's bytes alone.
    """

    frame: pl.DataFrame
    rejected: tuple[Rejected, ...] = ()

    @property
    def records(self) -> int:
        """How many record numbers the chunk accounts for."""
        return self.frame.height + len(self.rejected)

    @property
    def first(self) -> int:
        """The number of its first record, read or rejected; 1 if it has none."""
        rows: list[int] = self.frame[ROW].head(1).to_list()
        return min((*rows, *(each.row for each in self.rejected[:1])), default=1)

    @property
    def weight(self) -> int:
        """Its approximate size in memory, in bytes: text, cells and rejected records."""
        text = total_text(self.frame)
        cells = CELL_BYTES * self.frame.height * (self.frame.width - 1)
        return text + cells + _REJECTED_BYTES * len(self.rejected)


_REJECTED_BYTES = 100  # the usual size of a rejected record; names of fields may make it longer


def columns_with(frame: pl.DataFrame, start: str) -> list[pl.Series]:
    """The text columns in which some cell begins with `start`; most often there is none."""
    # Such cells lie between two bounds in byte order; comparing takes half the time of a search.
    texts, end = pl.selectors.string(), start[:-1] + chr(ord(start[-1]) + 1)
    found = frame.select(((texts >= start) & (texts < end)).any())
    return [frame[each.name] for each in found if each.item()]


def total_text(frame: pl.DataFrame) -> int:
    """The bytes of text of all records. All columns are measured as one, which takes half the time
    for the small frames that most formats yield."""
    texts = [column for column in frame.get_columns() if column.dtype == pl.String]
    return int(pl.concat(texts).str.len_bytes().sum()) if texts else 0


def text_bytes(frame: pl.DataFrame) -> pl.Series:
    """The bytes of text of each record."""
    sizes = frame.select(pl.col(pl.String).str.len_bytes().cast(pl.Int64))
    if not sizes.width:
        return pl.repeat(0, frame.height, dtype=pl.Int64, eager=True)
    return sizes.sum_horizontal()


@dataclass(slots=True)
class Profile:
    """What a reader learned about the file as a whole; complete after the last chunk.

    `chunks` holds the number of records and the weight of each chunk (see Chunk).
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    records: int = 0
    columns: dict[str, None] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    chunks: list[tuple[int, int]] = field(default_factory=list, compare=False)


class Reader(Protocol):
    """Reads one format as a stream, in constant memory.

    Raises BadInput where the file as a whole cannot be trusted; fills `profile` while reading.
    `table` is the source's own name for the entity (ServiceNow: incident, sc_request), for
    formats that hold several kinds of record.
    """

    def __call__(
        self, stream: BinaryIO, profile: Profile, table: str, limits: Limits
    ) -> Iterator[Chunk]: ...
