"""Reading a job's chunks and mapping them, one ahead of whoever works on the last one."""

import asyncio
from collections import deque
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
    ahead: int = 1,
) -> AsyncIterator[Prepared]:
    """`prepare` of each chunk, in order. It runs in threads, for `ahead` chunks while the consumer
    is busy with the one before, so that mapping and COPY share the time."""

    async def fetch(number: int) -> Prepared:
        content = await store.read(job.chunk_key(number))
        return await asyncio.to_thread(lambda: prepare(number, read_chunk(content)))

    fetching: deque[asyncio.Task[Prepared]] = deque()
    try:
        for number in numbers:
            fetching.append(asyncio.create_task(fetch(number)))
            if len(fetching) > ahead:
                yield await fetching.popleft()
        while fetching:
            yield await fetching.popleft()
    finally:
        for each in fetching:
            each.cancel()
