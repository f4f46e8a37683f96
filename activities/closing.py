"""The short steps and the last ones: state, undo, clean-up, end."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.heartbeat import heartbeating
from activities.job import Connections, LoadedJob, has_ended, load_before_import, load_job
from activities.standing import begin_undo, end_of, standing, undone
from domain.migration import Counts, Phase, Status
from storage import migration
from storage.migration import Job
from storage.undo import undo_chunk, undoable
from workflows import messages as m
from workflows import steps


class Closing:
    def __init__(self, connections: Connections) -> None:
        self._database, self._store = connections.database, connections.store

    @activity.defn(name=steps.set_state.name)
    async def set_state(self, input: m.StateInput) -> m.State:
        """Say where the job is, unless it has ended meanwhile. Raises Superseded if the workflow
        believes the import to be ahead, and it has begun or is over."""
        importing = input.phase is Phase.IMPORTING
        load = load_job if importing else load_before_import
        job = await load(self._database, input.job)
        if has_ended(job.row):
            return m.State(status=Status(job.row["status"]))
        async with self._database.tenant(job.tenant_id) as connection:
            await migration.advance(connection, job.id, input.status, input.phase)
        return m.State(status=input.status)

    @activity.defn(name=steps.recall_job.name)
    async def recall_job(self, ref: m.JobRef) -> m.Standing:
        """How the job stands, for a run that began anew or that somebody overtook."""
        job = await load_job(self._database, ref)
        async with self._database.tenant(job.tenant_id) as connection:
            return standing(job.row, await _counts(connection, job))

    @activity.defn(name=steps.undo_import.name)
    async def undo_import(self, input: m.UndoInput) -> m.TakenBack:
        """Take everything back that the job wrote; the new epoch keeps stragglers from writing.

        Of what has ended nothing is taken back, but for a completed job that is rolled back.
        """
        job, chunks = await load_job(self._database, input), list[int]()
        async with self._database.tenant(job.tenant_id) as connection:
            if await begin_undo(connection, job.id, input):
                chunks = await undoable(connection, job.id)
        async with heartbeating():
            for chunk in chunks:
                await undo_chunk(self._database, job.tenant_id, job.entity, job.id, chunk)
        return m.TakenBack(undone=undone((await load_job(self._database, input)).row))

    @activity.defn(name=steps.clean_up.name)
    async def clean_up(self, ref: m.JobRef) -> m.Cleaned:
        """Delete the upload and its chunks; what is gone already is fine."""
        job = await load_job(self._database, ref)
        if migration.is_over(job.row):  # then the reaper sees to what is left
            return m.Cleaned(deleted=0)
        async with self._database.tenant(job.tenant_id) as connection:
            await migration.note(connection, job.id, phase=Phase.CLEANING_UP)
        keys = [stored.key async for stored in self._store.list(job.prefix)]
        await self._store.delete(keys)
        return m.Cleaned(deleted=len(keys))

    @activity.defn(name=steps.close_job.name)
    async def close_job(self, input: m.CloseInput) -> m.Closed:
        """The job's end and its report, which outlives everything else of it. A job that has ended
        stays as it is."""
        job = await load_job(self._database, input.job)
        async with self._database.tenant(job.tenant_id) as connection:
            row = await migration.locked(connection, job.id)
            counts = await _counts(connection, job)
            status = await end_of(connection, row, input.status, counts)
            if status is None:
                return m.Closed(status=row["status"], counts=counts)
            if not input.cleaned:
                warning = "the uploaded file could not be deleted yet; that is tried again"
                await migration.warn(connection, job.id, warning)
            await migration.advance(
                connection,
                job.id,
                status,
                Phase.DONE,
                report=_report(row, status, counts),
                failure=row["failure"] or _failure(input),
            )
        return m.Closed(status=status, counts=counts)


async def _counts(connection: AsyncConnection, job: LoadedJob) -> Counts:
    progress = await migration.progress(connection, [job.id])
    return progress[job.id].counts if job.id in progress else Counts()


def _failure(input: m.CloseInput) -> dict[str, Any] | None:
    if input.problem is None:
        return None
    return input.problem.model_dump(by_alias=True, exclude_none=True)


def _report(row: Job, status: Status, counts: Counts) -> dict[str, Any]:
    """What was taken back is what undo wrote down, not what the workflow was told."""
    report: dict[str, Any] = {**row["report"], "outcome": status}
    if status is Status.COMPLETED:
        report["imported"] = counts.model_dump()
    else:
        report["undone"] = undone(row).model_dump()
    return report
