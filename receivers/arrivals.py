"""The base of every receiver, whatever its protocol: what arrived, and where it is served."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Arrival = TypeVar("Arrival")


class Arrivals(Generic[Arrival]):
    """`received` is what arrived, in order; `url` is the receiver's address, once it is served."""

    kind: str

    def __init__(self) -> None:
        self.received: list[Arrival] = []
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()  # ends the requests that hang
        self.url = ""

    def keep(self, arrival: Arrival) -> None:
        self.received.append(arrival)
        self.arrived.set()

    async def until(self, met: Callable[[list[Arrival]], Any], within: float | None = 60) -> None:
        """Wait until what has arrived meets the condition; `within` seconds, or for ever."""
        async with asyncio.timeout(within):
            while not met(self.received):
                self.arrived.clear()
                await self.arrived.wait()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def allowed(self) -> str:
        """What EGRESS_ALLOW must hold for this receiver to be reached."""
        return f"127.0.0.1/32:{self.port}"


class Window:
    """A limit: at most `count` arrivals in any `seconds`, or as many as come if it is None."""

    def __init__(self, count: int | None, seconds: float) -> None:
        self._count, self._seconds = count, seconds
        self._taken: deque[float] = deque()

    def takes(self) -> bool:
        """Whether there is room for one more; if so, it is counted."""
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - self._seconds:
            self._taken.popleft()
        if self._count is not None and len(self._taken) >= self._count:
            return False
        self._taken.append(now)
        return True
