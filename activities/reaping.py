"""One sweep over all tenants: jobs and requests that nobody works on, files that nobody needs."""

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
from storage.tenancy import tenants
from storage.tenancy.tenants import Tenant
from workflows.notification.messages import RequestRef
from workflows.notification.start import restart_notification
from workflows.sweep import Reaped, ReapInput, reap

_OVERDUE_SECONDS = 300.0  # a rate may keep a delivery longer; its workflow then runs already

Done = Literal[Mended, "objects", "uploads", "restarted", "troubled"]


class ReapActivities:
    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._database, self._store = connections.database, connections.store
        self._migrations = MigrationReaper(connections, settings.migration_ttl_seconds)

    @activity.defn(name=reap.name)
    async def reap(self, input: ReapInput) -> Reaped:
        """One sweep. Whatever is younger than the grace may still be in somebody's hands.

        The trouble of one job, request or tenant is counted, and never keeps another waiting.
        """
        now = datetime.now(UTC)
        before = now - timedelta(seconds=input.grace_seconds)
        done: Counter[Done] = Counter()
        for tenant in await tenants.every(self._database):
            with _apart(done, f"tenant {tenant.slug}: jobs"):
                await self._mend_jobs(tenant, before, done)
            with _apart(done, f"tenant {tenant.slug}: files"):
                done["objects"] += await self._migrations.delete_forgotten(tenant, now, before)
            with _apart(done, f"tenant {tenant.slug}: requests"):
                await self._restart_requests(tenant, done)
        with _apart(done, "broken uploads"):
            done["uploads"] += await self._store.abort_stale_writes(now - LONGEST_UPLOAD)
        return Reaped.model_validate(done)

    async def _mend_jobs(self, tenant: Tenant, before: datetime, done: "Counter[Done]") -> None:
        for job in await self._migrations.unfinished(tenant, before):
            with _apart(done, f"job {job['id']}"):
                mended = await self._migrations.mend(job)
                done.update([] if mended is None else [mended])

    async def _restart_requests(self, tenant: Tenant, done: "Counter[Done]") -> None:
        """Have requests worked on that are overdue: their workflow may have been terminated."""
        async with self._database.statements(tenant.id) as sql:
            requests = await deliveries.forgotten(sql, _OVERDUE_SECONDS)
        for request_id in requests:
            request = RequestRef(tenant_id=tenant.id, request_id=str(request_id))
            with _apart(done, f"request {request_id}"):
                await restart_notification(activity.client(), request)
                done["restarted"] += 1


@contextmanager
def _apart(done: "Counter[Done]", what: str) -> Iterator[None]:
    """Whatever happens in here is counted and logged, and ends here."""
    try:
        yield
    except Exception:
        done["troubled"] += 1
        activity.logger.exception("the sweep goes on without %s", what)
