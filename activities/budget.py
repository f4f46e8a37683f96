"""A memory budget that a worker's long activities share: work that does not fit waits."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Mapping a chunk and writing it as CSV takes 2 to 6 times its weight, and 20 times if its text is
# control characters, each of which takes six bytes in JSON (measured: docs/decisions/memory.md).
_TIMES_WEIGHT = 20
_TALLY_BYTES = 300  # per row, if each number appears twice, under different ids


class Budget:
    """Bytes that tasks take and give back, first come, first served.

    A task that wants more than the total gets the total, and so works alone. To avoid deadlocks, a
    task that waits for more must be able to finish and give back what it holds without that.
    """

    def __init__(self, total: int) -> None:
        self.total = self._free = max(1, total)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def holding(self, wanted: int) -> AsyncIterator[None]:
        """Wait until `wanted` bytes are free, and keep them until the block ends."""
        size = await self.take(wanted)
        try:
            yield
        finally:
            self.give(size)

    async def take(self, wanted: int) -> int:
        """Wait until `wanted` bytes, at most the total, are free; how many to `give` back."""
        size = min(wanted, self.total)
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((size, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if (size, granted) in self._waiting:
                self._waiting.remove((size, granted))
                self._grant()
            elif not granted.cancelled():
                self.give(size)
            raise
        return size

    def give(self, size: int) -> None:
        self._free += size
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, granted = self._waiting.popleft()
            if not granted.done():  # a cancelled task may not have left the queue yet
                self._free -= size
                granted.set_result(None)


def of_chunk(weight: int) -> int:
    """The bytes that it takes to map a chunk of this weight and to write it as CSV."""
    return weight * _TIMES_WEIGHT


def of_tally(rows: int) -> int:
    """The bytes that settling a tally by numbers takes at most (domain/migration/tally.py)."""
    return rows * _TALLY_BYTES
