"""Looking at processes and waiting for what they do."""

import psutil

from tests.until import until


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


async def until_gone(pids: list[int]) -> None:
    """Wait until none of the processes runs."""
    await until(lambda: not any(map(alive, pids)))
