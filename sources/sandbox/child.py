"""The process that reads an uploaded file: `python -m sources.sandbox.child ORDER` with the file
as standard input.

It writes one JSON line for each chunk to standard output, and a last one with the profile or the
failure. Whatever happens to it, the worker that started it lives on (see
sources/sandbox/parent.py).
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from polars.exceptions import PanicException

from domain.failures import BadInput, Problem
from sources import SOURCES
from sources.readers.chunk import Chunk, Limits, Profile
from sources.readers.chunk_file import write_chunk
from sources.sandbox.confinement import confine, die_with
from sources.sandbox.protocol import (
    TOO_MUCH,
    Finished,
    Order,
    ParseSpec,
    Refused,
    Written,
    chunk_path,
)


def main(order: Order) -> None:
    """Write the file's chunks and answer for each."""
    profile = Profile()
    try:
        _write_all(order, _listed(_chunks(order.spec, profile), profile))
        _answer(Finished(profile=profile))
    except BadInput as error:
        _answer(Refused(failure=error.problem))
    except (MemoryError, PanicException, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        _answer(Refused(failure=Problem(code="resource_limit", detail=TOO_MUCH)))


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: polars panics then, and no memory is left for a thread's stack."""
    words = "can't start new thread" if isinstance(error, RuntimeError) else "memory"
    return isinstance(error, MemoryError) or words in str(error)


def _chunks(spec: ParseSpec, profile: Profile) -> Iterator[Chunk]:
    if spec.charset:
        profile.encoding = spec.charset
    profile.delimiter = spec.delimiter
    read = SOURCES[spec.source].reader(spec.format)
    return read(sys.stdin.buffer, profile, spec.table, Limits())


def _listed(chunks: Iterator[Chunk], profile: Profile) -> Iterator[Chunk]:
    """Pass on the chunks, and note each in the profile's list of chunks."""
    for chunk in chunks:
        profile.chunks.append((chunk.records, chunk.weight))
        yield chunk


def _write_all(order: Order, chunks: Iterator[Chunk]) -> None:
    """Write each chunk in a second thread while the next is read: compression releases the GIL."""
    with ThreadPoolExecutor(1) as beside:
        writing: Future[None] | None = None
        for number, chunk in enumerate(chunks):
            if writing is not None:
                writing.result()
            if number in order.spec.skip_chunks:
                _answer(Written(chunk=number, rows=chunk.records, skipped=True))
            else:
                writing = beside.submit(_write, order, number, chunk)
        if writing is not None:
            writing.result()


def _write(order: Order, number: int, chunk: Chunk) -> None:
    path = chunk_path(order.out_dir, number)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(write_chunk(chunk))
    unfinished.rename(path)
    _answer(Written(chunk=number, rows=chunk.records))


def _answer(line: Written | Finished | Refused) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    order = Order.model_validate_json(sys.argv[1])
    die_with(order.parent)
    confine(order.spec.bounds)
    main(order)
