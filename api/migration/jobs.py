"""Migration jobs over HTTP: preview, execute, steer, report. Uploads come in through upload.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from api.audit import note
from api.auth import Caller, Operator, Reader
from api.context import Context, InContext
from api.errors import ApiError, require_found
from api.migration.given import Given, unknown
from api.migration.job import find_job, shown_jobs, shown_status
from api.migration.job_workflow import roll_back, send_update
from api.page import InPage
from domain.json_document import Json
from domain.migration.job import FINAL, SMALLEST_BATCH, Options, Status, not_now
from storage.migration import jobs as migration
from storage.migration.jobs import Job
from workflows.migration.steering import ExecuteRequest
from workflows.migration.workflow import MigrationWorkflow

_LOOKS, _LOOK_SECONDS = 100, 0.05
router = APIRouter(prefix="/v1/migration", tags=["migration"])


class Execute(Given, Options):
    """The options of an execution, and optionally a mapping in place of the previewed one. A
    `batchSize` below 100 is taken as 100, and `notes` say so."""

    model_config = ConfigDict(frozen=False)

    batch_size: int = Field(default=10_000, ge=1, le=10_000)

    @property
    def options(self) -> Options:
        values = {name: getattr(self, name) for name in Options.model_fields}
        return Options.model_validate(values | {"batch_size": max(self.batch_size, SMALLEST_BATCH)})

    @property
    def notes(self) -> list[str]:
        if self.batch_size >= SMALLEST_BATCH:
            return []
        return [f"batchSize {self.batch_size} is taken as {SMALLEST_BATCH}, the smallest"]


@router.get("")
async def list_migrations(
    context: InContext, caller: Reader, page: InPage, status: Status | None = None
) -> Json:
    """The tenant's migrations, newest first; with `status`, those that are in it."""
    async with context.database.tenant(caller.tenant_id) as connection:
        jobs = await migration.page(connection, page.wanted, page.after, status)
        return page.answer(jobs, await shown_jobs(context, connection, jobs))


@router.get("/{job_id}")
async def get_migration(job_id: UUID, context: InContext, caller: Reader) -> Json:
    """One migration with its progress, rate and remaining time."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
        return {"job": (await shown_jobs(context, connection, [job]))[0]}


@router.get("/{job_id}/preview")
async def get_preview(job_id: UUID, context: InContext, caller: Reader) -> Json:
    """The newest preview: counts over the whole file, first records, mapping, suggestions."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
    if job["preview"] is None:
        raise _without_preview(job)
    return {"preview": job["preview"]}


@router.post("/{job_id}/preview")
async def new_preview(job_id: UUID, body: Given, context: InContext, caller: Operator) -> Json:
    """Preview the file under another mapping, which is kept for the execution."""
    if not body.names_one:
        raise unknown("mapping", "a mapping is needed, or the mappingTemplateId of one")
    revision = await _add_mapping(context, caller, job_id, body)
    await send_update(context.temporal, job_id, MigrationWorkflow.preview, revision)
    return await get_preview(job_id, context, caller)


@router.post("/{job_id}/execute", status_code=202)
async def execute(job_id: UUID, body: Execute, context: InContext, caller: Operator) -> Json:
    """Import the file. All or nothing, unless `continueOnError`; see the job for its progress."""
    revision = await _add_mapping(context, caller, job_id, body)
    request = ExecuteRequest(revision=revision, options=body.options)
    async with _noted(context, caller, "execute", job_id):
        _check_open(await _status(context, caller, job_id))
        await send_update(context.temporal, job_id, MigrationWorkflow.execute, request)
    notes = {"notes": body.notes} if body.notes else {}
    return await get_migration(job_id, context, caller) | notes


@router.post("/{job_id}/pause", status_code=202)
async def pause(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Pause the import between two batches."""
    return await _steer(job_id, context, caller, "pause")


@router.post("/{job_id}/resume", status_code=202)
async def resume(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Go on with a paused import."""
    return await _steer(job_id, context, caller, "resume")


@router.post("/{job_id}/cancel", status_code=202)
async def cancel(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Stop the job and take back everything it wrote."""
    return await _steer(job_id, context, caller, "cancel")


@router.delete("/{job_id}/rollback", status_code=202)
async def rollback(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Take a completed import back; rows edited, or referred to, since are kept and listed with
    the errors."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
    if job["status"] != Status.COMPLETED:
        raise ApiError(
            "invalid_state",
            f"only a completed job can be rolled back, not one that is {job['status']}",
        )
    async with _noted(context, caller, "rollback", job_id):
        await roll_back(context.temporal, job)
    return await _once_undoing(job_id, context, caller)


async def _once_undoing(job_id: UUID, context: Context, caller: Caller) -> Json:
    """The job as soon as a worker has begun to take it back, or, if none does, after a while: who
    waits for its end must not find the one that it had."""
    for _ in range(_LOOKS):
        shown = await get_migration(job_id, context, caller)
        if shown["job"]["status"] != Status.COMPLETED:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return shown


async def _steer(job_id: UUID, context: InContext, caller: Operator, name: str) -> Json:
    """Ask the job's workflow, if the job is the tenant's own; the job as it is then."""
    status = await _status(context, caller, job_id)
    async with _noted(context, caller, name, job_id):
        _check_open(status)
        await send_update(context.temporal, job_id, getattr(MigrationWorkflow, name))
    return await get_migration(job_id, context, caller)


async def _status(context: Context, caller: Caller, job_id: UUID) -> Status:
    async with context.database.tenant(caller.tenant_id) as connection:
        return shown_status(await find_job(connection, job_id))


def _check_open(status: Status) -> None:
    """The workflow of a job that has ended would say less: that it has gone."""
    if status in FINAL:
        detail = f"the job is {status}; only a completed one can still be rolled back"
        raise ApiError("invalid_state", detail)


@asynccontextmanager
async def _noted(
    context: InContext, caller: Operator, action: str, job_id: UUID
) -> AsyncIterator[None]:
    """For the audit log: that it is asked for, before it is, since it may be done although no
    answer comes; and that it was refused."""
    await _note(context, caller, action, job_id)
    try:
        yield
    except ApiError as error:
        if error.code == "invalid_state":
            await _note(context, caller, f"{action}.refused", job_id)
        raise


async def _note(context: InContext, caller: Operator, action: str, job_id: UUID) -> None:
    async with context.database.tenant(caller.tenant_id) as connection:
        await note(connection, caller, action, "migration", job_id)


async def _add_mapping(context: InContext, caller: Operator, job_id: UUID, given: Given) -> int:
    """Keep the mapping as the job's next revision; its number is what the workflow is told, 0
    where none is given. Under the job's lock, as who asks at the same time takes the next number.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        if not given.of(caller).names_one:
            await find_job(connection, job_id)
            return 0
        job = require_found(await migration.lock(connection, job_id), "migration")
        if job["status"] != Status.PREVIEW:
            raise ApiError("invalid_state", not_now(job["status"]))
        mapping = await given.chosen(connection, job["entity_type"], job["source_system"])
        assert mapping is not None, "it names one"
        return await migration.add_mapping(connection, caller.tenant_id, job_id, mapping)


def _without_preview(job: Job) -> ApiError:
    if job["failure"]:
        detail = f"the job has no preview: it failed ({job['failure']['code']})"
        return ApiError("invalid_state", detail, failure=job["failure"])
    return ApiError("invalid_state", f"the job has no preview: it is {job['phase']}")
