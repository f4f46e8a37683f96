"""Opens a CSV file of any dialect: its encoding, its delimiter, its header. Then records.py reads
it into numbered chunks of text columns."""

import tempfile
from collections.abc import Iterator
from shutil import copyfileobj
from typing import BinaryIO

from sources.readers import encoding
from sources.readers.chunk import Chunk, Limits, Profile
from sources.readers.chunking import in_chunks
from sources.readers.csv.cells import without_formulas
from sources.readers.csv.dialect import is_spaced, take_delimiter, titles
from sources.readers.csv.header import read_header
from sources.readers.csv.records import Records, Shape
from sources.readers.csv.strict import StrictReader
from sources.readers.csv.window import Window

_SHOWN = 100  # characters of a title that a warning shows


def read_csv(stream: BinaryIO, profile: Profile, table: str, limits: Limits) -> Iterator[Chunk]:
    """Read a CSV file with a header; see sources.readers.chunk.Reader. `table` is not used.

    On entry, `profile.encoding` and `profile.delimiter` hold what was declared; they are set to
    what is used. Header names are stripped of white space, values are kept as they are. Raises
    BadInput: `encoding_invalid`, and what read_header and StrictReader raise. Records are rejected
    if their fields do not fit the header (`column_count_mismatch`), hold a NUL
    (`nul_not_storable`) or bytes that are not valid in the encoding (`encoding_invalid`). A stream
    that cannot be read twice is copied to a temporary file first.
    """
    yield from in_chunks(read_rows(stream, profile, limits))


def read_rows(stream: BinaryIO, profile: Profile, limits: Limits) -> Iterator[Chunk]:
    """Read as read_csv does, but yield chunks of any size."""
    if stream.seekable():
        yield from _read(stream, profile, limits)
        return
    with tempfile.TemporaryFile() as copy:
        copyfileobj(stream, copy, encoding.BLOCK_BYTES)
        yield from _read(copy, profile, limits)


def _read(stream: BinaryIO, profile: Profile, limits: Limits) -> Iterator[Chunk]:
    chosen = encoding.detect(stream, profile.encoding)
    profile.encoding = chosen.name
    if chosen.warning:
        profile.warnings.append(chosen.warning)
    window = Window(lambda: encoding.utf8_blocks(stream, chosen))
    profile.delimiter = take_delimiter(window, profile.delimiter)
    spaced = is_spaced(window, profile.delimiter)
    strict = StrictReader(window, profile.delimiter, limits, spaced)
    for _ in range(titles(window, profile.delimiter)):
        words = " ".join(filter(None, strict.record(0) or []))
        profile.warnings.append(f"a line before the header was left out: {words[:_SHOWN]!r}")
    header = read_header(strict.record(0), limits)
    profile.columns = dict.fromkeys(name for name in header.names if name not in header.unnamed)
    shape = Shape(header, chosen.damaged, spaced)
    for chunk in Records(window, strict, profile, limits, shape).chunks():
        if chunk.records:  # none are left where all were repeated headers
            yield without_formulas(chunk)
