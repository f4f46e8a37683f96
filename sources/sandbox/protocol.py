"""The messages between a worker and its parsing child: the order, and the lines of the answer."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from domain.failures import Problem
from sources.readers.chunk import Profile
from sources.sandbox.confinement import Bounds

TOO_MUCH = "reading the file took more memory or time than is allowed"


class ParseSpec(BaseModel):
    """One file to parse: a format of a source, for one of its tables.

    `charset` and `delimiter` are what the uploader declared. Chunks in `skip_chunks` are stored
    already: they are parsed, but not written again. `memory_bytes` bounds the address space, of
    which libraries reserve half a gigabyte, `data_bytes` the memory that is really taken,
    `cpu_seconds` the CPU time.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    format: str
    table: str
    charset: str | None = None
    delimiter: str | None = None
    skip_chunks: frozenset[int] = frozenset()
    memory_bytes: int
    data_bytes: int | None = None
    cpu_seconds: int

    @property
    def bounds(self) -> Bounds:
        data = min(self.memory_bytes, self.data_bytes or self.memory_bytes)
        return Bounds(data, self.memory_bytes, self.cpu_seconds)


class Order(BaseModel):
    """What the child is told on its command line."""

    spec: ParseSpec
    out_dir: Path
    parent: int


class Written(BaseModel):
    """Chunk number `chunk`, from 0, is in the directory and accounts for `rows` records; or it
    was `skipped`, as it is stored already."""

    chunk: int
    rows: int
    skipped: bool = False


class Finished(BaseModel):
    """The file is read to its end."""

    profile: Profile


class Refused(BaseModel):
    """The file cannot be read; earlier chunks are void."""

    failure: Problem


ANSWER: TypeAdapter[Written | Finished | Refused] = TypeAdapter(Written | Finished | Refused)


def chunk_path(out_dir: Path, number: int) -> Path:
    """Where the child leaves a chunk."""
    return out_dir / f"{number:06d}.arrow"
