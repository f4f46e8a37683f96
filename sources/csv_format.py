"""CSV of any dialect, from the bytes of a file to numbered batches of text columns."""

import tempfile
from collections.abc import Iterator
from shutil import copyfileobj
from typing import BinaryIO

from domain.failures import BadInput
from sources import encoding
from sources.batch import ROW, Batch, Limits, Profile
from sources.chunking import in_chunks
from sources.csv_dialect import take_delimiter
from sources.csv_records import Records
from sources.csv_strict import StrictReader
from sources.csv_window import Window
from sources.rows import NAME_CHARS
from sources.tables import Tables, only


def read_csv(stream: BinaryIO, profile: Profile, table: str, limits: Limits) -> Iterator[Batch]:
    """Read a CSV file with a header; see sources.batch.Reader. Records that name another table than
    `table` are counted in `profile.ignored`.

    `profile.encoding` is on entry the declared charset, tried first, and then the one used.
    Header names are stripped of white space, values are kept as they are. Raises BadInput:
    `file_empty`, `encoding_invalid`, `csv_header_invalid`, `csv_duplicate_header`,
    `too_many_columns` and what StrictReader refuses. Records that have another number of fields
    than the header (`column_count_mismatch`) or a NUL (`nul_not_storable`) are rejected.
    A stream that cannot be read twice is copied to a temporary file first.
    """
    tables = Tables(table, profile)
    if stream.seekable():
        yield from in_chunks(only(_read(stream, profile, limits), tables, profile))
        return
    with tempfile.TemporaryFile() as copy:
        copyfileobj(stream, copy, encoding.BLOCK_BYTES)
        yield from in_chunks(only(_read(copy, profile, limits), tables, profile))


def _read(stream: BinaryIO, profile: Profile, limits: Limits) -> Iterator[Batch]:
    chosen = encoding.detect(stream, profile.encoding)
    profile.encoding = chosen.name
    if chosen.assumed:
        profile.warnings.append(f"the file is not UTF-8; it was read as {chosen.name}")
    window = Window(lambda: encoding.utf8_blocks(stream, chosen))
    profile.delimiter = take_delimiter(window)
    strict = StrictReader(window, profile.delimiter, limits)
    profile.columns = dict.fromkeys(_header(strict, limits))
    yield from Records(window, strict, profile, limits).batches()


def _header(strict: StrictReader, limits: Limits) -> list[str]:
    fields = strict.record(0)
    if fields is None:
        raise BadInput("file_empty", "the file has no header and no records")
    names = [name.strip() for name in fields]
    if len(names) > limits.columns:
        detail = f"the header has {len(names)} columns, more than {limits.columns}"
        raise BadInput("too_many_columns", detail, limit=limits.columns, actual=len(names))
    seen: set[str] = set()
    for position, name in enumerate(names, 1):
        if not name or name == ROW or "\0" in name or len(name) > NAME_CHARS:
            reason = "is reserved, too long or has a NUL" if name else "is blank"
            detail = f"cell {position} of the header {reason}"
            raise BadInput("csv_header_invalid", detail, column=position)
        if name in seen:
            detail = f"the header names {name!r} twice"
            raise BadInput("csv_duplicate_header", detail, column=name)
        seen.add(name)
    return names
