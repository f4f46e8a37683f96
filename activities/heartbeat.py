"""Heartbeats that tell Temporal that a long activity is alive, however long one step takes.

This interceptor is the outermost one, so that it covers whatever the others wait for, too.
"""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

_SECONDS = 1.0  # well below the heartbeat timeouts in workflows/step.py


class Heartbeat(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Heartbeating(next)


class _Heartbeating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Heartbeat in the background while the activity runs, if its step has a heartbeat timeout;
        a cancellation reaches the activity as usual."""
        if not activity.info().heartbeat_timeout:
            return await self.next.execute_activity(input)
        beating = asyncio.create_task(_beat())
        try:
            return await self.next.execute_activity(input)
        finally:
            beating.cancel()


async def _beat() -> None:
    while True:
        await asyncio.sleep(_SECONDS)
        activity.heartbeat()
