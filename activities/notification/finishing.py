"""Lets work end that must not be left half done when its activity is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from temporalio import activity

T = TypeVar("T")
_LAST_SECONDS = 5.0  # short, as a stopping worker has used up its grace before it cancels


async def finished(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of `work`. If the activity is cancelled, the work has `seconds` to end: that may
    be a false alarm, as when the worker was too busy for its heartbeats. If the worker is stopping,
    the work is cancelled at once."""
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
    """The results of all works, once all have ended. Only then an exception of one is raised, so
    that no other work still runs after that."""
    results: list[T] = []
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
        results.append(ended)
    return results


async def at_last(work: Callable[[], Awaitable[object]]) -> None:
    """Do the last work before the activity ends, but give up after 5 s."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_SECONDS):
            await work()
