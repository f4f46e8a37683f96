"""The short steps and the last ones: state, undo, clean-up, end."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.heartbeat import heartbeating
from activities.job import Connections, LoadedJob, load_job, lock_job
from domain.accounting import Account, left_behind, not_found, unaccounted
from domain.failures import Unproven
from domain.migration import FINAL, Counts, Phase, Status, Undone
from domain.tenant import TenantId
from storage import migration
from storage.account import account_of, written_by
from storage.undo import undo_chunk, undoable
from workflows import messages as m
from workflows import steps


class Closing:
    def __init__(self, connections: Connections) -> None:
        self._database, self._store = connections.database, connections.store

    @activity.defn(name=steps.set_state.name)
    async def set_state(self, input: m.StateInput) -> m.State:
        """Say where the job is, unless it has ended meanwhile."""
        async with self._database.tenant(TenantId(input.job.tenant_id)) as connection:
            job = await lock_job(connection, input.job)
            status = Status(job.row["status"])
            if status in FINAL:
                return m.State(status=status)
            await migration.advance(connection, job.id, input.status, input.phase)
        return m.State(status=input.status)

    @activity.defn(name=steps.undo_import.name)
    async def undo_import(self, ref: m.JobRef) -> m.TakenBack:
        """Take everything back that the job wrote; the new epoch keeps stragglers from writing."""
        job = await load_job(self._database, ref)
        async with self._database.tenant(job.tenant_id) as connection:
            await migration.next_epoch(connection, job.id)
            await migration.note(connection, job.id, phase=Phase.UNDOING)
        async with heartbeating():
            while chunks := await self._undoable(job):
                for chunk in chunks:
                    await undo_chunk(self._database, job.tenant_id, job.entity, job.id, chunk)
        report = (await load_job(self._database, ref)).row["report"]
        return m.TakenBack(undone=Undone(**report.get("undone", {})))

    async def _undoable(self, job: LoadedJob) -> list[int]:
        async with self._database.tenant(job.tenant_id) as connection:
            return await undoable(connection, job.id)

    @activity.defn(name=steps.clean_up.name)
    async def clean_up(self, ref: m.JobRef) -> m.Cleaned:
        """Delete the upload and its chunks; what is gone already is fine."""
        job = await load_job(self._database, ref)
        async with self._database.tenant(job.tenant_id) as connection:
            await migration.note(connection, job.id, phase=Phase.CLEANING_UP)
        keys = [stored.key async for stored in self._store.list(job.prefix)]
        await self._store.delete(keys)
        return m.Cleaned(deleted=len(keys))

    @activity.defn(name=steps.close_job.name)
    async def close_job(self, input: m.CloseInput) -> m.Closed:
        """The job's end and its report, which outlives everything else of it.

        What the workflow believes is proven once more, under the job's lock. Raises Unproven if
        the ledger does not say so, too.
        """
        async with self._database.tenant(TenantId(input.job.tenant_id)) as connection:
            job = await lock_job(connection, input.job)
            account, status = await account_of(connection, job.id), Status(job.row["status"])
            if status in FINAL and input.status is not Status.ROLLED_BACK:
                return m.Closed(status=status, counts=account.counts)
            _prove(input.status, account, await undoable(connection, job.id))
            for warning in await _warnings(connection, job, input):
                await migration.warn(connection, job.id, warning)
            await migration.advance(
                connection,
                job.id,
                input.status,
                Phase.DONE,
                report=_report(job, input, account.counts),
                failure=_failure(input),
            )
        return m.Closed(status=input.status, counts=account.counts)


def _prove(status: Status, account: Account, undoable: list[int]) -> None:
    """Raises Unproven unless the job is complete, or else nothing is left of it."""
    if status is Status.COMPLETED:
        problem = unaccounted(account)
    else:
        problem = left_behind(len(undoable)) if undoable else None
    if problem is not None:
        raise Unproven(problem)


async def _warnings(connection: AsyncConnection, job: LoadedJob, input: m.CloseInput) -> list[str]:
    found = []
    if not input.cleaned:
        found.append("the uploaded file could not be deleted yet; that is tried again")
    if input.undone is not None:
        warning = not_found(await written_by(connection, job.id), input.undone)
        found += [warning] if warning else []
    return found


def _failure(input: m.CloseInput) -> dict[str, Any] | None:
    if input.problem is None:
        return None
    return input.problem.model_dump(by_alias=True, exclude_none=True)


def _report(job: LoadedJob, input: m.CloseInput, counts: Counts) -> dict[str, Any]:
    report: dict[str, Any] = {**job.row["report"], "outcome": input.status}
    if input.status is Status.COMPLETED:
        report["imported"] = counts.model_dump()
    if input.undone is not None:
        report["undone"] = input.undone.model_dump()
    return report
