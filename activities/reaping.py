"""Finds jobs that nobody works on and files that nobody needs, tenant by tenant."""

from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import heartbeating
from activities.job import Connections
from domain.failures import Problem
from domain.migration import Status
from settings import Settings
from storage import migration, tenants
from storage.migration import Job, summary
from storage.tenants import Tenant
from workflows import messages as m
from workflows import steps
from workflows.migration import MigrationInput
from workflows.rollback import RollbackInput
from workflows.starting import migration_id, start_migration, start_rollback

_BROKEN_UPLOAD = timedelta(hours=24)  # the longest time an upload may take
_TERMINATED = Problem(code="terminated", detail="the job's workflow was ended from outside")


class Reaping:
    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._database, self._store = connections.database, connections.store
        self._ttl = settings.migration_ttl_seconds

    @activity.defn(name=steps.reap.name)
    async def reap(self, input: m.ReapInput) -> m.Reaped:
        """One sweep. Whatever is younger than the grace may still be in somebody's hands."""
        now = datetime.now(UTC)
        before = now - timedelta(seconds=input.grace_seconds)
        started = closed = objects = 0
        async with heartbeating():
            for tenant in await tenants.every(self._database):
                async with self._database.tenant(tenant.id) as connection:
                    jobs = await migration.unfinished(connection)
                for job in jobs:
                    if job["created_at"] < before:
                        was_started, was_closed = await self._mend(activity.client(), job)
                        started, closed = started + was_started, closed + was_closed
                objects += await self._sweep(tenant, jobs, before)
            uploads = await self._store.abort_stale_writes(now - _BROKEN_UPLOAD)
        return m.Reaped(started=started, closed=closed, objects=objects, uploads=uploads)

    async def _mend(self, client: Client, job: Job) -> tuple[bool, bool]:
        """Start the job if its workflow never was, close it if its workflow is over."""
        ref = m.JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))
        try:
            description = await client.get_workflow_handle(migration_id(job["id"])).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            if job["status"] == Status.PENDING:
                await start_migration(client, self._input(ref, job), summary(job))
                return True, False
        else:
            if description.status is WorkflowExecutionStatus.RUNNING:
                return False, False
        try:
            end = RollbackInput(job=ref, status=Status.FAILED, problem=_TERMINATED)
            await start_rollback(client, end, summary(job))
        except WorkflowAlreadyStartedError:
            return False, False
        return False, True

    def _input(self, ref: m.JobRef, job: Job) -> MigrationInput:
        return MigrationInput(
            job=ref,
            ttl_seconds=self._ttl,
            dry_run=job["dry_run"],
        )

    async def _sweep(self, tenant: Tenant, jobs: list[Job], before: datetime) -> int:
        """Delete the tenant's stored files that belong to no unfinished job."""
        needed = {_prefix(job["object_key"]) for job in jobs}
        forgotten = [
            stored.key
            async for stored in self._store.list(f"{tenant.slug}/migrations/")
            if stored.modified < before and _prefix(stored.key) not in needed
        ]
        await self._store.delete(forgotten)
        return len(forgotten)


def _prefix(key: str) -> str:
    """`slug/migrations/id`, of the upload's key and of its chunks' keys alike."""
    return "/".join(key.split("/")[:3]).partition(".")[0]
