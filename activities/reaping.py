"""Finds jobs and deliveries that nobody works on, and files that nobody needs, tenant by tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.connections import Connections
from activities.migration.keys import job_prefix
from domain.failures import Problem
from domain.migration.job import FINAL, Status
from domain.tenant import TenantId
from settings import Settings
from storage.migration import jobs as migration
from storage.migration.jobs import Job, summary
from storage.notification import deliveries as delivery
from storage.objects.store import StoredObject
from storage.tenancy import tenants
from storage.tenancy.tenants import Tenant
from workflows import sweep as steps
from workflows.execution import is_alive, status_of
from workflows.migration.messages import JobRef
from workflows.migration.rollback import RollbackInput
from workflows.migration.start import migration_id, start_migration, start_rollback
from workflows.migration.workflow import MigrationInput
from workflows.notification.messages import RequestRef
from workflows.notification.start import restart_notification
from workflows.sweep import Reaped, ReapInput

_LONGEST_UPLOAD = timedelta(hours=24)
_OVERDUE_SECONDS = 300.0  # a rate may keep a delivery longer; its workflow then runs already
_TERMINATED = Problem(code="terminated", detail="the job's workflow was ended from outside")

Mended = Literal["started", "closed"]
Done = Literal[Mended, "objects", "uploads", "restarted", "troubled"]


class Reaping:
    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._database, self._store = connections.database, connections.store
        self._ttl = settings.migration_ttl_seconds

    @activity.defn(name=steps.reap.name)
    async def reap(self, input: ReapInput) -> Reaped:
        """One sweep. Whatever is younger than the grace may still be in somebody's hands.

        The trouble of one job, request or tenant is counted, and never keeps another waiting.
        """
        now = datetime.now(UTC)
        before = now - timedelta(seconds=input.grace_seconds)
        done: Counter[Done] = Counter()
        for tenant in await tenants.every(self._database):
            with _apart(done, f"tenant {tenant.slug}: jobs"):
                await self._mend_all(tenant, before, done)
            with _apart(done, f"tenant {tenant.slug}: files"):
                done["objects"] += await self._sweep(tenant, now, before)
            with _apart(done, f"tenant {tenant.slug}: requests"):
                await self._restart(tenant, done)
        with _apart(done, "broken uploads"):
            done["uploads"] += await self._store.abort_stale_writes(now - _LONGEST_UPLOAD)
        return Reaped.model_validate(done)

    async def _mend_all(self, tenant: Tenant, before: datetime, done: "Counter[Done]") -> None:
        async with self._database.tenant(tenant.id) as connection:
            jobs = await migration.unfinished(connection)
        for job in jobs:
            if job["created_at"] < before:
                with _apart(done, f"job {job['id']}"):
                    mended = await self._mend(activity.client(), job)
                    done.update([] if mended is None else [mended])

    async def _restart(self, tenant: Tenant, done: "Counter[Done]") -> None:
        """Have requests worked on that are overdue: their workflow may have been terminated."""
        async with self._database.statements(tenant.id) as sql:
            requests = await delivery.forgotten(sql, _OVERDUE_SECONDS)
        for request_id in requests:
            request = RequestRef(tenant_id=tenant.id, request_id=str(request_id))
            with _apart(done, f"request {request_id}"):
                await restart_notification(activity.client(), request)
                done["restarted"] += 1

    async def _mend(self, client: Client, job: Job) -> Mended | None:
        """Start the job if its workflow never was; take it back and close it if its workflow is
        over; go on with a rollback that was ended from outside."""
        ref = JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))
        if job["status"] == Status.COMPLETED:
            return await _closed(client, RollbackInput(job=ref), job)
        status = await status_of(client, migration_id(job["id"]))
        if is_alive(status):
            return None
        if status is None and job["status"] == Status.PENDING:
            await start_migration(client, self._input(ref, job), summary(job))
            return "started"
        if await self._has_ended(job):
            return None
        end = RollbackInput(job=ref, status=Status.FAILED, problem=_TERMINATED)
        return await _closed(client, end, job)

    async def _has_ended(self, job: Job) -> bool:
        """Whether the job came to its own end after it was found unfinished: its workflow closes
        the job before itself, and what is complete must not be taken back."""
        async with self._database.tenant(TenantId(job["tenant_id"])) as connection:
            now = await migration.find(connection, job["id"])
        return now is None or Status(now["status"]) in FINAL

    def _input(self, ref: JobRef, job: Job) -> MigrationInput:
        return MigrationInput(job=ref, ttl_seconds=self._ttl, dry_run=job["dry_run"])

    async def _sweep(self, tenant: Tenant, now: datetime, before: datetime) -> int:
        """Delete the tenant's stored files that no job needs any more.

        Files first, then their jobs: a job that ends in between keeps its file for one sweep.
        """
        listed = self._store.list(f"{tenant.slug}/migrations/")
        files = [each async for each in listed if each.modified < before]
        if not files:
            return 0
        async with self._database.tenant(tenant.id) as connection:
            found = await migration.statuses_of_files(connection)
        statuses = {job_prefix(key): status for key, status in found.items()}
        forgotten = [
            each.key
            for each in files
            if _is_forgotten(each, statuses.get(job_prefix(each.key)), now)
        ]
        await self._store.delete(forgotten)
        return len(forgotten)


async def _closed(client: Client, input: RollbackInput, job: Job) -> Mended | None:
    try:
        await start_rollback(client, input, summary(job))
    except WorkflowAlreadyStartedError:
        return None
    return "closed"


@contextmanager
def _apart(done: "Counter[Done]", what: str) -> Iterator[None]:
    """Whatever happens in here is counted and logged, and ends here."""
    try:
        yield
    except Exception:
        done["troubled"] += 1
        activity.logger.exception("the sweep goes on without %s", what)


def _is_forgotten(file: StoredObject, status: Status | None, now: datetime) -> bool:
    if status is not None:
        return status in FINAL
    # Its upload may not be over yet: S3 dates an object by the start of its multipart upload.
    return file.modified < now - _LONGEST_UPLOAD
