"""Asks the database again while it is away. For how long, whoever asks bounds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from activities.errors import is_refused
from storage.postgres.database import FAILURES

T = TypeVar("T")
_TRY_SECONDS, _AGAIN_SECONDS = 10.0, 0.3
_log = logging.getLogger(__name__)


async def until_done(work: Callable[[], Awaitable[T]]) -> T:
    """The work's result. It is tried until the database has done it, which may be twice if the
    answer to a commit is lost; what the database refuses for what it is, is raised."""
    is_logged = False
    while True:
        try:
            async with asyncio.timeout(_TRY_SECONDS):
                return await work()
        except FAILURES as error:
            if is_refused(error):
                raise
            if not is_logged:
                _log.warning("the database is waited for: %s", type(error).__name__)
            is_logged = True
        await asyncio.sleep(_AGAIN_SECONDS)
