"""Waiting until somebody waits for a lock of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

_BLOCKED = "select pid from pg_stat_activity where $1 = any(pg_blocking_pids(pid))"


async def until_blocked(rows: Callable[..., Awaitable[Sequence[Any]]], by: int) -> list[int]:
    """The backends that wait for the backend `by`, as soon as there is one; `rows` runs SQL."""
    async with asyncio.timeout(20):
        while not (found := await rows(_BLOCKED, by)):
            await asyncio.sleep(0.01)
    return [row["pid"] for row in found]
