"""Reading a job's chunks and mapping them, one ahead of whoever works on the last one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from activities.job import LoadedJob
from sources.batch import Batch
from sources.chunk import read_chunk
from storage.objects import ObjectStore

Prepared = TypeVar("Prepared")


async def prepared_chunks(
    store: ObjectStore,
    job: LoadedJob,
    numbers: Iterable[int],
    prepare: Callable[[int, Batch], Prepared],
) -> AsyncIterator[Prepared]:
    """`prepare` of each chunk, in order. It runs in a thread while the consumer is busy with the
    result before, so that mapping and COPY share the time."""

    async def fetch(number: int) -> Prepared:
        content = await store.read(job.chunk_key(number))
        return await asyncio.to_thread(lambda: prepare(number, read_chunk(content)))

    ahead: asyncio.Task[Prepared] | None = None
    try:
        for number in numbers:
            following = asyncio.create_task(fetch(number))
            current, ahead = ahead, following
            if current is not None:
                yield await current
        if ahead is not None:
            yield await ahead
    finally:
        if ahead is not None:
            ahead.cancel()
