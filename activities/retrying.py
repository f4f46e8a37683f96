"""Repeats database work while the database is unavailable. The caller bounds for how long."""

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
    """Repeat `work` until the database has done it; its result. The work may take effect twice, if
    the answer to a commit is lost. Raises what the database refuses for good."""
    is_logged = False
    while True:
        try:
            async with asyncio.timeout(_TRY_SECONDS):
                return await work()
        except FAILURES as error:
            if is_refused(error):
                raise
            if not is_logged:
                _log.warning("waiting for the database: %s", type(error).__name__)
            is_logged = True
        await asyncio.sleep(_AGAIN_SECONDS)
