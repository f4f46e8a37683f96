"""Holds the real activities of one tenant where a test wants them: before they begin, or after they
have ended and before anybody is told."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any, Literal

import temporalio.client
import temporalio.worker
from temporalio import activity

Moment = Literal["before", "after"]
_PATIENCE = 60.0


class Gate:
    """One place where an activity is held until it is opened, and not again."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self._reached = asyncio.Event()

    async def reached(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._reached.wait()

    async def passed(self) -> None:
        self._reached.set()
        while not self.opened.is_set():
            if activity.info().heartbeat_timeout:
                activity.heartbeat()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.opened.wait(), 0.1)


class Gates(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Given to a client, it is with every worker of that client."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str, Moment], Gate] = {}
        self.running: Counter[str] = Counter()  # activities by tenant, also those nobody waits for

    def hold(self, tenant_id: str, step: str, moment: Moment) -> Gate:
        return self._gates.setdefault((tenant_id, step, moment), Gate())

    def open(self, tenant_id: str) -> None:
        """Hold nothing of the tenant's any more."""
        for key in [key for key in self._gates if key[0] == tenant_id]:
            self._gates.pop(key).opened.set()

    async def passed(self, tenant_id: str, moment: Moment) -> None:
        gate = self._gates.get((tenant_id, activity.info().activity_type, moment))
        if gate is not None:
            await gate.passed()

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _Gated(next, self)


class _Gated(temporalio.worker.ActivityInboundInterceptor):
    def __init__(self, next: temporalio.worker.ActivityInboundInterceptor, gates: Gates) -> None:
        super().__init__(next)
        self._gates = gates

    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        tenant_id = _tenant_of(input.args[0])
        self._gates.running[tenant_id] += 1
        try:
            await self._gates.passed(tenant_id, "before")
            result = await self.next.execute_activity(input)
            await self._gates.passed(tenant_id, "after")
        finally:
            self._gates.running[tenant_id] -= 1
        return result


def _tenant_of(input: Any) -> str:
    owner = getattr(input, "job", None) or getattr(input, "request", None) or input
    return str(getattr(owner, "tenant_id", ""))
