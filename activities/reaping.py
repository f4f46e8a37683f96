"""One sweep over all tenants: mends abandoned jobs and requests, and deletes unneeded files."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

from temporalio import activity

from activities.connections import Connections
from activities.migration.reaping import LONGEST_UPLOAD, Mended, MigrationReaper
from settings import Settings
from storage.notification import deliveries
from storage.tenancy import idempotency, tenants
from storage.tenancy.tenants import Tenant
from workflows.notification.messages import RequestRef
from workflows.notification.start import restart_notification
from workflows.sweep import Reaped, ReapInput, reap

# A rate may delay a delivery for longer; its workflow then runs, and a restart changes nothing.
_OVERDUE_SECONDS = 300.0

Done = Literal[Mended, "objects", "uploads", "restarted", "troubled"]


class ReapActivities:
    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._database, self._store = connections.database, connections.store
        self._migrations = MigrationReaper(connections, settings.migration_ttl_seconds)

    @activity.defn(name=reap.name)
    async def reap(self, input: ReapInput) -> Reaped:
        """Sweep once. Jobs and files that are younger than `grace_seconds` are left alone, since
        the API may still work on them.

        A failure at one job, request or tenant is counted and logged, and the sweep goes on.
        """
        now = datetime.now(UTC)
        before = now - timedelta(seconds=input.grace_seconds)
        done: Counter[Done] = Counter()
        for tenant in await tenants.every(self._database):
            with _counting_failure(done, f"tenant {tenant.slug}: jobs"):
                await self._mend_jobs(tenant, before, done)
            with _counting_failure(done, f"tenant {tenant.slug}: files"):
                done["objects"] += await self._migrations.delete_forgotten(tenant, now, before)
            with _counting_failure(done, f"tenant {tenant.slug}: requests"):
                await self._restart_requests(tenant, done)
            with _counting_failure(done, f"tenant {tenant.slug}: idempotency keys"):
                async with self._database.tenant(tenant.id) as connection:
                    await idempotency.forget_old(connection, tenant.id)
        with _counting_failure(done, "broken uploads"):
            done["uploads"] += await self._store.abort_stale_writes(now - LONGEST_UPLOAD)
        return Reaped.model_validate(done)

    async def _mend_jobs(self, tenant: Tenant, before: datetime, done: "Counter[Done]") -> None:
        for job in await self._migrations.unfinished(tenant, before):
            with _counting_failure(done, f"job {job['id']}"):
                mended = await self._migrations.mend(job)
                done.update([] if mended is None else [mended])

    async def _restart_requests(self, tenant: Tenant, done: "Counter[Done]") -> None:
        """Restart the workflows of overdue requests: somebody may have terminated them."""
        async with self._database.statements(tenant.id) as sql:
            requests = await deliveries.forgotten(sql, _OVERDUE_SECONDS)
        for request_id in requests:
            request = RequestRef(tenant_id=tenant.id, request_id=str(request_id))
            with _counting_failure(done, f"request {request_id}"):
                await restart_notification(activity.client(), request)
                done["restarted"] += 1


@contextmanager
def _counting_failure(done: "Counter[Done]", what: str) -> Iterator[None]:
    """Count and log an exception of the block instead of raising it."""
    try:
        yield
    except Exception:
        done["troubled"] += 1
        activity.logger.exception("the sweep failed at this and goes on: %s", what)
