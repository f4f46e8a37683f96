"""Waiting until somebody waits for a lock of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

# Of several waiters for one row, only the first waits for its holder, the others for the first.
_BLOCKED = """
with recursive blocked(pid) as (
    values ($1::int)
    union
    select waits.pid from blocked join pg_stat_activity waits
    on blocked.pid = any(pg_blocking_pids(waits.pid))
)
select pid from blocked where pid <> $1
"""


async def until_blocked(
    rows: Callable[..., Awaitable[Sequence[Any]]], by: int, count: int = 1
) -> list[int]:
    """The backends that wait for the backend `by`, once there are `count`; `rows` runs SQL."""
    async with asyncio.timeout(20):
        while len(found := await rows(_BLOCKED, by)) < count:
            await asyncio.sleep(0.01)
    return [row["pid"] for row in found]
