"""Parse a file in a process of its own, so that a hostile file can fail only its own job."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from domain.failures import BadInput, Died, Problem
from sources.readers.chunk import Profile
from sources.sandbox.protocol import (
    ANSWER,
    TOO_MUCH,
    Finished,
    Order,
    ParseSpec,
    Refused,
    chunk_path,
)

Feed = AsyncIterator[bytes] | Path

_ROOT = Path(__file__).resolve().parents[2]
_PREFIX = "firelater-parse-"
_LINE_BYTES = 2**24  # a profile names up to 2,000 columns of 1,000 characters


class ParseCrashed(RuntimeError):
    """The child ended early, and not by a limit: a fault of this program, not of the file."""


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """A chunk as a local file (see sources.readers.chunk_file.read_chunk); `rows` counts rejected
    records too.

    It may be moved away, and is deleted when the next event is asked for.
    """

    number: int
    rows: int
    path: Path


@asynccontextmanager
async def parsing(
    spec: ParseSpec, feed: Feed
) -> AsyncGenerator[AsyncIterator[ChunkFile | Profile], None]:
    """Parse a file, given as a stream of bytes or as a local path; a context, so that no process
    and no file is left however the block ends.

        async with parsing(spec, feed) as events:
            async for event in events: ...

    The events are the chunks in order (without `spec.skip_chunks`), then the Profile. Raises while
    iterating: BadInput for what the reader refuses, and with code `resource_limit` if the child
    died of its limits; Died if it was killed; what `feed` raises; ParseCrashed. Chunks of a file
    that is refused in the end are void. Start it in the main thread: on Linux the child dies with
    the thread that started it, so that it ends with the worker. The temporary directory needs room
    for the file and its chunks.
    """
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as directory:
        out_dir = Path(directory)
        with (out_dir / "errors").open("w+b") as errors:
            child = await _start(spec, feed, out_dir, errors)
            feeding = asyncio.create_task(_feed(child, feed))
            try:
                yield _events(child, feeding, out_dir, errors)
            finally:
                feeding.cancel()
                await _end(child)
                await asyncio.gather(feeding, return_exceptions=True)


def remove_abandoned() -> None:
    """Delete the temporary files of parsers whose workers were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = directory.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(directory, ignore_errors=True)


async def _start(spec: ParseSpec, feed: Feed, out_dir: Path, errors: BinaryIO) -> Process:
    order = Order(spec=spec, out_dir=out_dir, parent=os.getpid())
    command = [sys.executable, "-P", "-m", "sources.sandbox.child", order.model_dump_json()]
    environment = {
        "PYTHONPATH": str(_ROOT),
        "PYTHONUTF8": "1",
        "TMPDIR": str(out_dir),
        "POLARS_MAX_THREADS": "1",  # measured: a second one gains nothing on blocks of 2 MiB
        "MALLOC_ARENA_MAX": "1",
    }
    stdin = feed.open("rb") if isinstance(feed, Path) else PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=PIPE,
            stderr=errors,
            cwd=out_dir,
            env=environment,
            limit=_LINE_BYTES,
        )
    finally:
        if not isinstance(stdin, int):
            stdin.close()


async def _feed(child: Process, feed: Feed) -> None:
    """Hand the file to the child. If the feed fails, kill the child, lest it take that for the end
    of the file."""
    if child.stdin is None or isinstance(feed, Path):
        return
    try:
        async for block in feed:
            child.stdin.write(block)
            await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # the child has stopped reading, and says on its output why
    except BaseException:
        with suppress(ProcessLookupError):
            child.kill()
        raise
    child.stdin.close()


async def _events(
    child: Process, feeding: asyncio.Task[None], out_dir: Path, errors: BinaryIO
) -> AsyncIterator[ChunkFile | Profile]:
    if child.stdout is None:
        raise ParseCrashed("the child has no output")
    at = _Place()
    async for line in child.stdout:
        answer = ANSWER.validate_json(line)
        if isinstance(answer, Refused):
            raise _refusal(answer.failure, at)
        if isinstance(answer, Finished):
            yield answer.profile
            return
        path = chunk_path(out_dir, answer.chunk)
        if not answer.skipped:
            yield ChunkFile(answer.chunk, answer.rows, path)
        path.unlink(missing_ok=True)
        at = _Place(answer.chunk + 1, at.row + answer.rows)
    if feeding.done():
        feeding.result()
    raise _post_mortem(await child.wait(), errors, at)


@dataclass(frozen=True, slots=True)
class _Place:
    """The chunk that was to come next, and its first record."""

    chunk: int = 0
    row: int = 1


def _refusal(failure: Problem, at: _Place) -> BadInput:
    place = failure.model_dump()
    if failure.code == "resource_limit":
        detail = f"{failure.detail}, at record {at.row:,} or after it (chunk {at.chunk})"
        place |= {"row": at.row, "detail": detail}
    return BadInput(**place)


def _post_mortem(code: int, errors: BinaryIO, at: _Place) -> Exception:
    if code == -signal.SIGKILL:  # by the kernel, as memory ran out, or by an operator
        return Died("was killed (SIGKILL)", at.chunk, at.row)
    if code < 0:
        detail = f"{TOO_MUCH} ({_signal(-code)})"
        return _refusal(Problem(code="resource_limit", detail=detail), at)
    errors.seek(0)
    return ParseCrashed(
        f"the child exited with {code}: {errors.read()[-4000:].decode('utf-8', 'replace')}"
    )


def _signal(number: int) -> str:
    return signal.Signals(number).name


async def _end(child: Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    await child.wait()
