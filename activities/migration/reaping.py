"""Finds a tenant's jobs that nobody works on, and stored files that no job needs."""

from datetime import datetime, timedelta
from typing import Literal

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.connections import Connections
from activities.migration.keys import job_prefix
from domain.failures import Problem
from domain.migration.job import FINAL, Status
from domain.tenant import TenantId
from storage.migration import jobs as migration
from storage.migration.jobs import Job, summary
from storage.objects.store import StoredObject
from storage.tenancy.tenants import Tenant
from workflows.execution import is_alive, status_of
from workflows.migration.messages import JobRef
from workflows.migration.rollback import RollbackInput
from workflows.migration.start import migration_id, start_migration, start_rollback
from workflows.migration.workflow import MigrationInput

LONGEST_UPLOAD = timedelta(hours=24)
_TERMINATED = Problem(code="terminated", detail="somebody ended the job's workflow in Temporal")

Mended = Literal["started", "closed"]


class MigrationReaper:
    """`ttl_seconds`: how long a job that the reaper starts waits to be executed."""

    def __init__(self, connections: Connections, ttl_seconds: int) -> None:
        self._database, self._store = connections.database, connections.store
        self._ttl_seconds = ttl_seconds

    async def unfinished(self, tenant: Tenant, before: datetime) -> list[Job]:
        """The tenant's jobs that have not ended and were created earlier than `before`."""
        async with self._database.tenant(tenant.id) as connection:
            jobs = await migration.unfinished(connection)
        return [job for job in jobs if job["created_at"] < before]

    async def mend(self, job: Job) -> Mended | None:
        """Start the job if its workflow was never started; take it back and close it if its
        workflow has ended; start its rollback again if that was terminated."""
        client = activity.client()
        ref = JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))
        if job["status"] == Status.COMPLETED:
            return await _close(client, RollbackInput(job=ref), job)
        status = await status_of(client, migration_id(job["id"]))
        if is_alive(status):
            return None
        if status is None and job["status"] == Status.PENDING:
            await start_migration(client, self._input(ref, job), summary(job))
            return "started"
        if await self._has_ended(job):
            return None
        end = RollbackInput(job=ref, status=Status.FAILED, problem=_TERMINATED)
        return await _close(client, end, job)

    async def delete_forgotten(self, tenant: Tenant, now: datetime, before: datetime) -> int:
        """Delete the tenant's stored files that no job needs any more and that are older than
        `before`; how many they are.

        Files are listed before jobs are read, so that a job recorded in between is seen.
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

    async def _has_ended(self, job: Job) -> bool:
        """Whether the job has ended since it was found unfinished. A workflow closes its job before
        it ends itself, and a job that is complete must not be taken back."""
        async with self._database.tenant(TenantId(job["tenant_id"])) as connection:
            now = await migration.find(connection, job["id"])
        return now is None or Status(now["status"]) in FINAL

    def _input(self, ref: JobRef, job: Job) -> MigrationInput:
        return MigrationInput(job=ref, ttl_seconds=self._ttl_seconds, dry_run=job["dry_run"])


async def _close(client: Client, input: RollbackInput, job: Job) -> Mended | None:
    """Take the job back and close it, unless a workflow does so already."""
    try:
        await start_rollback(client, input, summary(job))
    except WorkflowAlreadyStartedError:
        return None
    return "closed"


def _is_forgotten(file: StoredObject, status: Status | None, now: datetime) -> bool:
    if status is not None:
        return status in FINAL
    # Its upload may not be over yet: S3 dates an object by the start of its multipart upload.
    return file.modified < now - LONGEST_UPLOAD
