"""Lets what must not be left half done end, although its activity is cancelled meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from temporalio import activity

T = TypeVar("T")
_LAST_SECONDS = 5.0  # a worker that stops has used up its grace by then


async def finished(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The work's result. A cancellation waits that long for its end: it may be a false alarm, as of
    a worker that was too busy for its heartbeats. Where the worker stops, it does not wait."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not activity.is_worker_shutdown():
            await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.wait([task])
        raise


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """What each of them gives, once all have ended: if one fails, the others are not left behind,
    still at work for nobody."""
    results: list[T] = []
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
        results.append(ended)
    return results


async def at_last(work: Callable[[], Awaitable[object]]) -> None:
    """Do what is left to be done before the end, if it does not take long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_SECONDS):
            await work()
