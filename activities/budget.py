"""The memory that a worker's long activities share: what does not fit waits, and kills nobody."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Measured (docs/decisions/memory.md): to map a chunk and write it as CSV takes 2 to 6 times its
# weight, and 20 times where its text is control characters, each of them six in JSON.
_TIMES_WEIGHT = 20
_TALLY_BYTES = 300  # a row, where each number comes twice, under different ids


class Budget:
    """Bytes to be taken and given back, first come, first served.

    Whoever wants more than there is at all gets everything, and so works alone. Nobody waits
    for more while others wait for what they hold: the one before is done without the one after.
    """

    def __init__(self, total: int) -> None:
        self.total = self._free = max(1, total)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def holding(self, wanted: int) -> AsyncIterator[None]:
        """Wait until the bytes are free, and keep them until the block ends."""
        size = await self.take(wanted)
        try:
            yield
        finally:
            self.give(size)

    async def take(self, wanted: int) -> int:
        """Wait until the bytes are free; how many they are, to be given back."""
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
            if not granted.done():  # who waited may have been cancelled, and not know yet
                self._free -= size
                granted.set_result(None)


def of_chunk(weight: int) -> int:
    """What it takes to map a chunk of this weight and to make its CSV."""
    return weight * _TIMES_WEIGHT


def of_tally(rows: int) -> int:
    """What it takes at most to settle a tally that goes by numbers (domain/migration/tally.py)."""
    return rows * _TALLY_BYTES
