"""Claims due deliveries, within the number of sends that may be in flight at a time."""

import os

from activities.integration.target import Target, Targets
from activities.notification.backlog import later, stand_still
from activities.notification.batch import ClaimedBatch, Found, LaneKey
from activities.notification.limiter import CROWDED_SECONDS, ConcurrencyLimiter
from domain.integration.stored import SendingIntegration
from storage.notification.claimed import Claimed, ClaimPolicy
from storage.notification.claims import claim
from storage.notification.routing import inputs
from storage.postgres.database import Database
from storage.postgres.statement import Statements

_BATCH = 100  # deliveries claimed at once if the vendor recognises a repeated one
# About how long a lane waits if the limiter grants it no send: because the integration has as many
# in flight as it may, or because it is probed, one send at a time.
_BUSY_SECONDS, _PROBING_SECONDS = 1.0, 10.0


class Claims:
    """Claims deliveries for one worker process."""

    def __init__(self, database: Database, targets: Targets, limiter: ConcurrencyLimiter) -> None:
        self._database, self._targets, self._limiter = database, targets, limiter
        self._worker = f"worker@{os.getpid()}"

    async def take(self, key: LaneKey) -> Found:
        """Claim in a transaction of its own. The caller must `release` what is claimed."""
        found: Found | None = None
        try:
            async with self._database.statements(key.tenant_id) as sql:
                integration = await inputs.integration(sql, key.integration_id)
                found = await self.take_within(sql, key, integration)
        except BaseException:  # also if the commit failed
            if found is not None:
                self.release(found)
            raise
        return found

    async def take_within(
        self, sql: Statements, key: LaneKey, integration: SendingIntegration | None
    ) -> Found:
        """Claim deliveries that may be sent now, or find out when to look again."""
        if integration is None or not integration["is_active"]:
            return await stand_still(sql, key, integration)
        target = self._targets.of(key.tenant_id, integration)
        cap = target.config.max_in_flight
        granted = self._limiter.acquire(key.tenant_id, key.integration_id, cap)
        full = None if granted else self._seconds_until_free(key)
        claimed: list[Claimed] = []
        want = 0
        try:
            if granted:
                want = _BATCH if target.channel.limits.idempotent and granted > 1 else granted
                claimed = await claim(sql, _policy(target, self._worker), want)
        finally:
            taken = min(granted, len(claimed))
            self._limiter.release(key.tenant_id, key.integration_id, granted - taken)
        if claimed:
            return ClaimedBatch(key, integration, target, taken, claimed, len(claimed) == want)
        return await later(sql, key, target, full)

    def release(self, found: Found, count: int | None = None) -> None:
        """Give `count` of the batch's sends back to the limiter: without a count, and at most, all
        that the batch still holds."""
        if isinstance(found, ClaimedBatch):
            left = found.granted if count is None else min(count, found.granted)
            found.granted -= left
            self._limiter.release(found.key.tenant_id, found.key.integration_id, left)

    def _seconds_until_free(self, key: LaneKey) -> float:
        """About how many seconds it takes until the limiter allows another send."""
        if self._limiter.is_probing(key.integration_id):
            return _PROBING_SECONDS
        return CROWDED_SECONDS if self._limiter.is_crowded(key.tenant_id) else _BUSY_SECONDS


def _policy(target: Target, worker: str) -> ClaimPolicy:
    limits = target.channel.limits
    return ClaimPolicy(
        target.integration_id,
        limits.idempotent,
        target.interval,
        worker,
        limits.stateful,
        limits.tracked,
    )
