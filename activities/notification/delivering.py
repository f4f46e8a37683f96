"""Delivers what is due of one lane: claim, send, record, until nothing is due soon."""

import asyncio
import random
import time
from uuid import UUID

from temporalio import activity

from activities.connections import Connections
from activities.integration.target import Targets
from activities.notification.backlog import look
from activities.notification.batch import ClaimedBatch, Found, LaneKey
from activities.notification.batch_sending import BatchSender
from activities.notification.claiming import Claims
from activities.notification.limiter import CROWDED_SECONDS, ConcurrencyLimiter
from activities.notification.links import Links
from activities.notification.recording import Recorder
from domain.tenant import TenantId
from workflows.notification import messages as m
from workflows.notification import steps

_SOON = 5.0  # seconds; a round waits for deliveries that are due sooner
_ROUND_SECONDS = 20.0  # after that a round begins no further batch


class DeliverActivities:
    def __init__(self, connections: Connections) -> None:
        self._database = connections.database
        self._limiter = ConcurrencyLimiter()
        self.targets = Targets(connections.vault)
        self.claims = Claims(connections.database, self.targets, self._limiter)
        recorder = Recorder(connections.database)
        links = Links(connections.vault, connections.public_url)
        self._sender = BatchSender(connections.egress, self._limiter, self.claims, recorder, links)

    @activity.defn(name=steps.deliver.name)
    async def deliver(self, input: m.DeliverInput) -> m.LaneState:
        """Run one round: send the lane's due deliveries, then say how many are open and when to
        come back."""
        ref = input.request
        key = LaneKey(TenantId(ref.tenant_id), UUID(ref.request_id), UUID(input.integration_id))
        return await self.round(key, await self.claims.take(key))

    async def round(self, key: LaneKey, found: Found) -> m.LaneState:
        """Send until no delivery of the lane is open, none is due soon, the round has taken long
        enough, or the worker shuts down."""
        end = time.monotonic() + _ROUND_SECONDS
        while True:
            lane = await self._sender.send(found) if isinstance(found, ClaimedBatch) else found
            if lane is not None and (not lane.open or lane.wait is None or lane.wait > _SOON):
                return lane
            wait = lane.wait if lane is not None and lane.wait is not None else 0.0
            if time.monotonic() + wait > end or activity.is_worker_shutdown():
                return lane or await self._look(key)
            await self._sleep(key.tenant_id, wait, end)
            found = await self.claims.take(key)

    async def _sleep(self, tenant_id: TenantId, seconds: float, end: float) -> None:
        """Sleep, and go on sleeping while all sends of the tenant are taken: to see that here costs
        no query."""
        await asyncio.sleep(seconds)
        while self._limiter.is_crowded(tenant_id) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(CROWDED_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311

    async def _look(self, key: LaneKey) -> m.LaneState:
        async with self._database.statements(key.tenant_id) as sql:
            return await look(sql, key)
