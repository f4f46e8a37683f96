"""Reads and prepares a job's chunks, ahead of the consumer that works on the chunk before."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from temporalio import activity

from activities.budget import of_chunk
from activities.connections import Connections
from activities.migration.job import LoadedJob
from sources.readers.chunk import Chunk
from sources.readers.chunk_file import read_chunk

Prepared = TypeVar("Prepared")


async def prepared_chunks(
    connections: Connections,
    job: LoadedJob,
    numbers: Iterable[int],
    prepare: Callable[[int, Chunk], Prepared],
    ahead: int = 1,
) -> AsyncGenerator[Prepared]:
    """The result of `prepare` for each chunk, in order. It runs in threads, for up to `ahead`
    chunks while the consumer works on the one before, so that mapping and COPY overlap.

    The memory that a chunk takes stays reserved until the consumer asks for the next one, or
    closes the generator (contextlib.aclosing).
    """
    memory, sizes = connections.memory, job.chunk_sizes
    fetching: deque[asyncio.Task[tuple[Prepared, int]]] = deque()

    async def fetch(number: int) -> tuple[Prepared, int]:
        held = await memory.chunks.take(of_chunk(sizes[number][1]))
        try:
            activity.heartbeat(number)  # for people, and to know where a process died (alone.py)
            content = await connections.store.read(job.chunk_key(number))
            return await in_thread(lambda: prepare(number, read_chunk(content))), held
        except BaseException:
            memory.chunks.give(held)
            raise

    waiting = deque(numbers)
    try:
        while waiting or fetching:
            while waiting and len(fetching) <= min(ahead, memory.ahead):
                fetching.append(asyncio.create_task(fetch(waiting.popleft())))
            prepared, held = await fetching[0]
            fetching.popleft()
            try:
                yield prepared
            finally:
                memory.chunks.give(held)
            del prepared
    finally:
        for task in fetching:
            task.cancel()
        for task in fetching:
            with suppress(asyncio.CancelledError, Exception):
                memory.chunks.give((await task)[1])


async def in_thread(work: Callable[[], Prepared]) -> Prepared:
    """Run `work` in a thread; its result. A cancellation waits for the thread to end, since its
    memory is in use until then."""
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise
