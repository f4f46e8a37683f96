"""ServiceNow's CSV exports: lists of one table or several, with escapes against formulas.

See the vendor's "Exporting CSV data" and "Escape formulas in exports".
"""

from collections.abc import Iterator
from typing import BinaryIO

from sources.readers.chunk import Chunk, Limits, Profile
from sources.readers.chunking import in_chunks
from sources.readers.csv.cells import Escapes
from sources.readers.csv.opening import read_rows
from sources.servicenow.references import with_references
from sources.servicenow.tables import Tables, only


def read_csv(stream: BinaryIO, profile: Profile, table: str, limits: Limits) -> Iterator[Chunk]:
    """Read the records of `table` as `sources.readers.csv.opening.read_csv` does; those that name
    another table are counted in `profile.ignored`."""
    escapes = Escapes(profile)
    read = map(escapes.taken_off, read_rows(stream, profile, limits))
    chunks = (with_references(chunk, profile) for chunk in read)
    yield from in_chunks(only(chunks, Tables(table, profile), profile))
    escapes.tell()
