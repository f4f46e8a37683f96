"""What every format reader yields, and the bounds it keeps to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import polars as pl

from domain.failures import Rejected

CHUNK_ROWS = 10_000
ROW = "_row"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one file; a file beyond one of them is refused by name, never truncated."""

    record_bytes: int = 16 * 2**20
    field_bytes: int = 2**20
    columns: int = 2_000
    json_depth: int = 64
    xml_depth: int = 256
    xml_attributes: int = 1_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Up to CHUNK_ROWS records of a file, in file order.

    `frame` holds `_row` (Int64, the record's number in the file, from 1) and one String column
    per source field; a field that a record does not have is null, an empty one is "".
    `rejected` names the records that could not be read: they have a row number but no row in
    `frame`. Every batch but the last accounts for exactly CHUNK_ROWS row numbers, so that
    batch n is a function of the bytes alone.
    """

    frame: pl.DataFrame
    rejected: tuple[Rejected, ...] = ()


@dataclass(slots=True)
class Profile:
    """What a reader learned about the file as a whole; complete when the last batch is out."""

    encoding: str = "utf-8"
    delimiter: str | None = None
    records: int = 0
    columns: dict[str, None] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Reader(Protocol):
    """Reads one format as a stream, in constant memory.

    Raises BadInput where the file as a whole cannot be trusted; fills `profile` on the way.
    `table` is the source's own name for the entity (ServiceNow: incident, sc_request), for
    formats that hold several kinds of record.
    """

    def __call__(
        self, stream: BinaryIO, profile: Profile, table: str, limits: Limits
    ) -> Iterator[Batch]: ...
