"""Keeps Temporal informed that a long activity lives, however long its single steps take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

_SECONDS = 1.0  # well below the heartbeat timeout in workflows/steps.py


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Heartbeat in the background while the body runs; cancellation reaches the body as usual."""
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beating.cancel()


async def _beat() -> None:
    while True:
        await asyncio.sleep(_SECONDS)
        activity.heartbeat()
