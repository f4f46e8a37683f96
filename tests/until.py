"""Waiting for what nobody tells us of, such as a change in another process or in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[object]], within: float = 120
) -> None:
    """Ask again and again until the condition is met, for `within` seconds at most."""
    async with asyncio.timeout(within):
        while True:
            answer = condition()
            if await answer if isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.01)
