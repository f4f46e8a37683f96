"""Looking at processes and waiting for what they do."""

import asyncio
from collections.abc import Callable

import psutil


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


async def until(condition: Callable[[], bool], within: float = 30) -> None:
    """Wait for something in another process that cannot tell us."""
    async with asyncio.timeout(within):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def until_gone(pids: list[int]) -> None:
    """Wait until none of the processes runs."""
    await until(lambda: not any(map(alive, pids)))
