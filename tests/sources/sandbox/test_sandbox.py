"""A file is parsed in a process of its own: what a hostile file can do, and what remains."""

import asyncio
import csv
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from domain.failures import BadInput, Died, Problem
from sources.readers.chunk import CHUNK_ROWS, ROW, Chunk, Profile
from sources.readers.chunk_file import read_chunk
from sources.sandbox import parent
from sources.sandbox.parent import ChunkFile, ParseCrashed, parsing, remove_abandoned
from sources.sandbox.protocol import ParseSpec
from tests.sources.readers.csv.csv_reading import read

RECORDS = 25_000
CSV = b"id,note\n" + b"".join(
    b"%d\n" % n if n % 7_000 == 0 else b'%d,"line\n%d"\n' % (n, n) for n in range(1, RECORDS + 1)
)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary directories are made; nothing may be left in it."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    assert [*directory.iterdir()] == []
    assert children() == []


def children() -> list[psutil.Process]:
    """The children of this process that parse."""
    return [
        each for each in psutil.Process().children() if "sources.sandbox.child" in each.cmdline()
    ]


def spec(**changes: object) -> ParseSpec:
    usual = {"source": "generic_csv", "format": "csv", "table": "incident"}
    bounds = {"memory_bytes": 3 * 2**30, "cpu_seconds": 60}
    return ParseSpec.model_validate(usual | bounds | changes)


def large_records(quote: bytes) -> bytes:
    return b"a\n" + (b"x" + quote + b"x" * 500_000 + b"\n") * 1_500


async def blocks(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def endless(content: bytes) -> AsyncIterator[bytes]:
    while True:
        yield content


async def parse(
    asked: ParseSpec, feed: AsyncIterator[bytes] | Path
) -> tuple[dict[int, Chunk], Profile]:
    chunks: dict[int, Chunk] = {}
    async with parsing(asked, feed) as events:
        async for event in events:
            if isinstance(event, Profile):
                return chunks, event
            chunks[event.number] = chunk = read_chunk(event.path.read_bytes())
            assert event.rows == chunk.frame.height + len(chunk.rejected)
    raise AssertionError("no profile came")


async def refusal(asked: ParseSpec, feed: AsyncIterator[bytes] | Path) -> Problem:
    with pytest.raises(BadInput) as refused:
        await parse(asked, feed)
    return refused.value.problem


class TestParsing:
    @pytest.mark.parametrize("size", [997, 2**20])
    async def test_gives_what_the_reader_gives(self, size: int) -> None:
        chunks, profile = await parse(spec(), blocks(CSV, size))
        expected = read(CSV)
        assert [*chunks] == [0, 1, 2]
        for chunk, same in zip(chunks.values(), expected.chunks, strict=True):
            assert chunk.frame.equals(same.frame)
            assert chunk.rejected == same.rejected
        assert profile == expected.profile
        assert [*profile.columns] == ["id", "note"]

    async def test_a_local_file_is_read_where_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "upload.csv"
        path.write_bytes(CSV)
        chunks, profile = await parse(spec(), path)
        assert (len(chunks), profile.records) == (3, RECORDS)
        assert path.exists()

    async def test_stored_chunks_are_not_written_again(self) -> None:
        chunks, profile = await parse(spec(skip_chunks={0, 2}), blocks(CSV))
        assert [*chunks] == [1]
        assert chunks[1].frame[ROW][0] == CHUNK_ROWS + 1
        assert profile.records == RECORDS

    async def test_a_chunk_file_may_be_moved_away(self, tmp_path: Path) -> None:
        async with parsing(spec(), blocks(CSV)) as events:
            async for event in events:
                if isinstance(event, ChunkFile):
                    event.path.rename(tmp_path / f"{event.number}")
        assert read_chunk((tmp_path / "2").read_bytes()).frame.height == 4_999

    async def test_the_declared_charset_is_used(self) -> None:
        chunks, profile = await parse(spec(charset="windows-1250"), blocks(b"a\n\xf8\n"))
        assert profile.encoding == "cp1250"
        assert chunks[0].frame["a"].to_list() == ["ř"]


class TestRefusing:
    async def test_a_fault_of_the_file_keeps_its_place(self) -> None:
        found = await refusal(spec(), blocks(CSV + b'1,"x"y\n'))
        assert (found.code, found.row) == ("csv_malformed_quote", RECORDS + 1)

    @pytest.mark.parametrize("quote", [b"", b'"'])
    async def test_too_much_memory(self, quote: bytes) -> None:
        found = await refusal(spec(data_bytes=130 * 2**20), blocks(large_records(quote), 2**22))
        assert found.code == "resource_limit"
        assert "SIGXCPU" not in found.detail
        assert "at record 1 or after it (chunk 0)" in found.detail
        assert found.row == 1

    @pytest.mark.parametrize("quote", [b"", b'"'])
    async def test_a_chunk_of_large_records_is_cut_by_their_size(self, quote: bytes) -> None:
        """Cut by their number, a chunk took more than any process may."""
        asked = spec(memory_bytes=2**30, data_bytes=400 * 2**20)
        chunks, profile = await parse(asked, blocks(large_records(quote), 2**22))
        assert profile.records == 1_500
        assert {chunk.frame.height for chunk in chunks.values()} == {33, 1_500 % 33}
        assert profile.chunks == [(each.records, each.weight) for each in chunks.values()]
        assert [chunk.first for chunk in chunks.values()] == [*range(1, 1_501, 33)]

    async def test_too_much_time(self) -> None:
        found = await refusal(spec(cpu_seconds=1), blocks(b"a\r" * 10_000_000, 2**20))
        assert found.code == "resource_limit"
        assert "SIGXCPU" in found.detail

    async def test_killed_by_somebody_it_says_so_and_where(self, tmp_path: Path) -> None:
        file = tmp_path / "long.csv"  # so long that it is not at its end when it is killed
        file.write_bytes(b"a\n" + b"b\n" * 300 * CHUNK_ROWS)
        async with parsing(spec(skip_chunks={0}), file) as events:
            await anext(events)
            children()[0].kill()
            with pytest.raises(Died) as death:
                _ = [each async for each in events]
        assert death.value.chunk is not None
        assert death.value.chunk >= 2
        assert death.value.row == death.value.chunk * CHUNK_ROWS + 1

    async def test_a_feed_that_breaks_off_is_not_the_end_of_the_file(self) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield CSV
            raise ConnectionError("storage went away")

        with pytest.raises(ConnectionError, match="storage went away"):
            await parse(spec(), broken())

    async def test_a_fault_of_ours_is_not_the_file_s(self) -> None:
        with pytest.raises(ParseCrashed, match="no_such_source"):
            await parse(spec(source="no_such_source"), blocks(CSV))

    async def test_the_environment_holds_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("S3_SECRET_KEY", "canary")
        async with parsing(spec(), blocks(CSV)):
            (child,) = children()
            assert "canary" not in child.environ().values()


class TestEnding:
    async def test_leaving_early_ends_the_child(self) -> None:
        async with parsing(spec(), blocks(CSV)) as events:
            async for _ in events:
                break
            assert len(children()) == 1

    async def test_cancelling_ends_the_child(self) -> None:
        started = asyncio.Event()

        async def forever() -> None:
            async with parsing(spec(), endless(b"a\n")) as events:
                started.set()
                async for _ in events:
                    pass

        task = asyncio.create_task(forever())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def test_the_child_dies_with_its_parent(self, tmp_path: Path) -> None:
        """Even one that waits for input that could still come: the pipe stays open here."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = os.open(pipe, os.O_RDWR)
        parent = subprocess.Popen(
            [sys.executable, "-m", "tests.sources.sandbox.parse_pipe", str(pipe)],
            stdout=subprocess.PIPE,
            text=True,
            env={"TMPDIR": str(tmp_path)},  # a killed process cannot tidy up
        )
        assert parent.stdout is not None
        with parent, parent.stdout as output:
            child = psutil.Process(int(output.readline()))
            os.write(writer, b"a\n" * 2**18)  # more than a pipe holds: the child has begun to read
            os.kill(parent.pid, signal.SIGKILL)
            parent.wait()
        _, alive = psutil.wait_procs([child], timeout=10)
        for each in alive:
            each.kill()
        os.close(writer)
        assert alive == []


async def test_a_table_of_quotes_and_line_ends_is_the_standard_library_s(tmp_path: Path) -> None:
    cells = [[f'{n}"', f"{n}\r\n", f",{n},"] for n in range(1, 101)]
    path = tmp_path / "written.csv"
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([["a", "b", "c"], *cells])
    chunks, _ = await parse(spec(), path)
    assert [[*row[1:]] for row in chunks[0].frame.iter_rows()] == cells


def test_leftovers_of_dead_workers_are_removed(scratch: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = scratch / f"firelater-parse-{ended.pid}-x"
    alive = scratch / f"firelater-parse-{os.getpid()}-x"
    for directory in (dead, alive):
        directory.mkdir()
        (directory / "000000.arrow").write_bytes(b"x")
    remove_abandoned()
    assert [*scratch.iterdir()] == [alive]
    shutil.rmtree(alive)


def test_the_child_finds_the_code_of_its_parent() -> None:
    """Also where nothing is installed but beside it, as in the image."""
    assert (parent._ROOT / "sources" / "sandbox" / "child.py").is_file()
