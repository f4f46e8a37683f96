"""Activities that record a job's state, take it back, clean up and close it."""

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.connections import Connections
from activities.migration.ending import begin_undo, has_settled, recorded, undone
from activities.migration.job import (
    LoadedJob,
    check_before_import,
    is_importing,
    load_job,
    locked_job,
)
from domain.failures import Unproven
from domain.json_document import Json
from domain.migration.accounting import Account, left_behind, not_found, unaccounted
from domain.migration.job import Counts, Phase, Status
from storage.migration import jobs as migration
from storage.migration.account import account_of, written_by
from storage.migration.importing.matching import forget_taken
from storage.migration.importing.undo import undo_batch, undoable
from storage.migration.jobs import Job
from storage.postgres.database import raw
from workflows.migration import messages as m
from workflows.migration import steps


class CloseActivities:
    def __init__(self, connections: Connections) -> None:
        self._database, self._store = connections.database, connections.store

    @activity.defn(name=steps.set_state.name)
    async def set_state(self, input: m.StateInput) -> m.State:
        """Record the job's status and phase; the status that is on record after that.

        Raises Superseded for a phase before the import once the import has begun or the job has
        ended. Nothing changes if a pause or resume meets no import that is under way, or if the
        workflow has recorded a later state (a higher `turn`) meanwhile.
        """
        async with locked_job(self._database, input.job) as (connection, job):
            if input.phase is not Phase.IMPORTING:
                check_before_import(job)
            elif not is_importing(job.row):
                return m.State(status=Status(job.row["status"]))
            if input.turn < job.row["turn"]:
                return m.State(status=Status(job.row["status"]))
            await migration.advance(connection, job.id, input.status, input.phase, turn=input.turn)
        return m.State(status=input.status)

    @activity.defn(name=steps.recall_job.name)
    async def recall_job(self, ref: m.JobRef) -> m.RecordedJob:
        """What the job's row says, for a run that was reset or that another run overtook."""
        async with locked_job(self._database, ref) as (connection, job):
            return recorded(job.row, (await account_of(connection, job.id)).counts)

    @activity.defn(name=steps.undo_import.name)
    async def undo_import(self, input: m.UndoInput) -> m.TakenBack:
        """Take back everything that the job wrote. A new epoch keeps activities of earlier runs
        from writing. A job that has ended stays as it is, unless a completed one is rolled back.
        """
        async with locked_job(self._database, input) as (connection, job):
            undoing = await begin_undo(connection, job, input)
        while undoing and (batches := await self._undoable(job)):
            for batch in batches:
                await undo_batch(self._database, job.tenant_id, job.entity, job.id, batch)
        return m.TakenBack(undone=undone((await load_job(self._database, input)).row))

    async def _undoable(self, job: LoadedJob) -> list[int]:
        async with self._database.tenant(job.tenant_id) as connection:
            return await undoable(connection, job.id)

    @activity.defn(name=steps.clean_up.name)
    async def clean_up(self, ref: m.JobRef) -> m.Cleaned:
        """Delete the upload and its chunks, unless the job has ended. Files that are gone already
        are no error."""
        async with locked_job(self._database, ref) as (connection, job):
            if has_settled(job.row, None):
                return m.Cleaned(deleted=0)  # the reaper deletes what is left
            await migration.note(connection, job.id, phase=Phase.CLEANING_UP)
        keys = [stored.key async for stored in self._store.list(job.prefix)]
        await self._store.delete(keys)
        return m.Cleaned(deleted=len(keys))

    @activity.defn(name=steps.close_job.name)
    async def close_job(self, input: m.CloseInput) -> m.Closed:
        """Record the job's end and its report, under the job's lock.

        Raises Unproven if the ledger does not prove what the workflow believes: that a completed
        job is complete, or that nothing is left of one that ends otherwise. A job that has ended
        stays as it is.
        """
        async with locked_job(self._database, input.job) as (connection, job):
            row, account = job.row, await account_of(connection, job.id)
            if has_settled(row, input.status):
                return m.Closed(status=row["status"], counts=account.counts)
            status = Status(row["ending"] or input.status)
            _prove(status, account, await undoable(connection, job.id))
            await forget_taken(await raw(connection), job.tenant_id, job.id)
            for warning in await _warnings(connection, row, input):
                await migration.warn(connection, job.id, warning)
            await migration.advance(
                connection,
                job.id,
                status,
                Phase.DONE,
                report=_report(row, status, account.counts),
                failure=row["failure"] or _failure(input, status),
            )
        return m.Closed(status=status, counts=account.counts)


def _prove(status: Status, account: Account, undoable: list[int]) -> None:
    """Raises Unproven if a job that is to be completed is not complete, or if anything is left of a
    job that is to end otherwise."""
    if status is Status.COMPLETED:
        problem = unaccounted(account)
    else:
        problem = left_behind(len(undoable)) if undoable else None
    if problem is not None:
        raise Unproven(problem)


async def _warnings(connection: AsyncConnection, row: Job, input: m.CloseInput) -> list[str]:
    found = []
    if not input.cleaned:
        found.append("the uploaded file could not be deleted yet; it will be deleted later")
    if input.undone is not None:
        warning = not_found(await written_by(connection, row["id"]), undone(row))
        found += [warning] if warning else []
    return found


def _failure(input: m.CloseInput, status: Status) -> Json | None:
    """The problem, unless the job ends with another status than the workflow asked for, as when its
    user had cancelled it before."""
    if input.problem is None or input.status is not status:
        return None
    return input.problem.model_dump(by_alias=True, exclude_none=True)


def _report(row: Job, status: Status, counts: Counts) -> Json:
    """The job's report. What was taken back is counted by undo itself, not by the workflow."""
    report: Json = {**row["report"], "outcome": status}
    if status is Status.COMPLETED:
        report["imported"] = counts.model_dump()
    else:
        report["undone"] = undone(row).model_dump()
    return report
