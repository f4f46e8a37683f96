"""Endpoints of migration jobs: list, preview, execute, pause, resume, cancel, roll back.

api/migration/upload.py creates jobs; api/migration/report.py lists their errors.
"""

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
from api.migration.job_workflow import roll_back, send_update
from api.migration.view import find_job, shown_jobs, shown_status
from api.page import InPage
from domain.json_document import Json
from domain.migration.job import FINAL, SMALLEST_BATCH, Options, Status, not_now
from storage.migration import jobs as migration
from storage.migration.jobs import Job
from workflows.migration.steering import ExecuteRequest
from workflows.migration.workflow import MigrationWorkflow

_LOOKS, _LOOK_SECONDS = 100, 0.05  # up to 5 seconds for a rollback to begin
router = APIRouter(prefix="/v1/migration", tags=["migration"])


class Execute(Given, Options):
    """The options of an execution, and optionally a mapping to use instead of the previewed one.

    A `batchSize` below 100 is raised to 100, and `notes` in the answer say so.
    """

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
    """List the tenant's migration jobs, newest first.

    Needs a key of the role admin, operator or viewer. `status` lists only the jobs in that status.
    Answers one page: up to `limit` jobs in `data`, and in `nextCursor` the `cursor` of the next
    page, or null on the last one. A `cursor` from elsewhere is refused with 422 `cursor_invalid`.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        jobs = await migration.page(connection, page.wanted, page.after, status)
        return page.answer(jobs, await shown_jobs(context, connection, jobs))


@router.get("/{job_id}")
async def get_migration(job_id: UUID, context: InContext, caller: Reader) -> Json:
    """Read one migration job.

    Needs a key of the role admin, operator or viewer. Answers the job with its status, the counts
    of its records, its rate (`rowsPerSecond`), the remaining seconds (`etaSeconds`, null while
    unknown) and its report. 404 if the tenant has no such job.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
        return {"job": (await shown_jobs(context, connection, [job]))[0]}


@router.get("/{job_id}/preview")
async def get_preview(job_id: UUID, context: InContext, caller: Reader) -> Json:
    """Read the newest preview of a job.

    Needs a key of the role admin, operator or viewer. Answers counts over the whole file, the first
    records, the mapping in use, suggestions for unmapped fields, warnings and recommendations.

    404 if the tenant has no such job; 409 `invalid_state` while the job has no preview yet, or if
    it ended before it had one; if it failed, `failure` says why.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
    if job["preview"] is None:
        raise _without_preview(job)
    return {"preview": job["preview"]}


@router.post("/{job_id}/preview")
async def new_preview(job_id: UUID, body: Given, context: InContext, caller: Operator) -> Json:
    """Preview the file under another mapping, which an execution then uses.

    Needs a key of the role admin or operator, a job in the status `preview`, and a `mapping` or the
    `mappingTemplateId` of a stored one. The new mapping replaces the previous one as a whole.
    Answers the new preview once it is ready.

    404 if the tenant has no such job; 409 `invalid_state` if the job is in another status; 422
    `mapping_invalid` with every fault of the mapping; 503 if no worker is available.
    """
    if not body.names_one:
        raise unknown("mapping", "send a mapping, or the mappingTemplateId of a stored one")
    revision = await _add_mapping(context, caller, job_id, body)
    await send_update(context.temporal, job_id, MigrationWorkflow.preview, revision)
    return await get_preview(job_id, context, caller)


@router.post("/{job_id}/execute", status_code=202)
async def execute(job_id: UUID, body: Execute, context: InContext, caller: Operator) -> Json:
    """Start importing the file of a job.

    Needs a key of the role admin or operator, and a job in the status `preview`. Without
    `continueOnError` one bad record keeps the whole file from being imported, and the job returns
    to `preview`; with it, the good records are imported and the bad ones listed. With `dryRun`
    nothing is imported: the job returns to `preview`, and its report predicts the outcome.

    Answers 202 with the job once it is `processing`: read the job again, or follow its events, to
    see the progress and the end.

    404 if the tenant has no such job; 409 `invalid_state` if the job is in another status; 422 if
    an option or the mapping is not valid; 503 if no worker is available.
    """
    revision = await _add_mapping(context, caller, job_id, body)
    request = ExecuteRequest(revision=revision, options=body.options)
    async with _noted(context, caller, "execute", job_id):
        _check_open(await _status(context, caller, job_id))
        await send_update(context.temporal, job_id, MigrationWorkflow.execute, request)
    notes = {"notes": body.notes} if body.notes else {}
    return await get_migration(job_id, context, caller) | notes


@router.post("/{job_id}/pause", status_code=202)
async def pause(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Pause a running import after the batch in progress.

    Needs a key of the role admin or operator. Answers 202 with the job, whose status is `paused`.
    404 if the tenant has no such job; 409 `invalid_state` unless it is importing and not paused.
    """
    return await _steer(job_id, context, caller, "pause")


@router.post("/{job_id}/resume", status_code=202)
async def resume(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Continue a paused import.

    Needs a key of the role admin or operator. Answers 202 with the job, whose status is
    `processing`. 404 if the tenant has no such job; 409 `invalid_state` unless it is paused.
    """
    return await _steer(job_id, context, caller, "resume")


@router.post("/{job_id}/cancel", status_code=202)
async def cancel(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Cancel a job that has not ended, and take back what it imported.

    Needs a key of the role admin or operator. Inserted records are deleted and updated records are
    restored. Records that somebody has edited since, or that other data refers to, are kept and
    listed with the errors of the job.

    Answers 202 with the job at once; its status becomes `cancelled` when all is taken back. 404 if
    the tenant has no such job; 409 `invalid_state` if the job has ended or is being cancelled
    already.
    """
    return await _steer(job_id, context, caller, "cancel")


@router.delete("/{job_id}/rollback", status_code=202)
async def rollback(job_id: UUID, context: InContext, caller: Operator) -> Json:
    """Roll back a completed import.

    Needs a key of the role admin or operator. Inserted records are deleted and updated records are
    restored. Records that somebody has edited since, or that other data refers to, are kept and
    listed with the errors of the job. A job is rolled back only once, and a later import counts as
    an edit: roll back the newest import first.

    Answers 202 with the job, which is `processing` until it is `rolled_back`. 404 if the tenant has
    no such job; 409 `invalid_state` unless the job is `completed`, or while its rollback runs.
    """
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
    """The job as soon as its rollback has begun, or after 5 seconds if no worker begins it.

    A client that waits for a final status must not mistake `completed` for the rollback's end.
    """
    for _ in range(_LOOKS):
        shown = await get_migration(job_id, context, caller)
        if shown["job"]["status"] != Status.COMPLETED:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return shown


async def _steer(job_id: UUID, context: InContext, caller: Operator, name: str) -> Json:
    """Send the update `name` to the workflow of the tenant's job; the job as it is afterwards."""
    status = await _status(context, caller, job_id)
    async with _noted(context, caller, name, job_id):
        _check_open(status)
        await send_update(context.temporal, job_id, getattr(MigrationWorkflow, name))
    return await get_migration(job_id, context, caller)


async def _status(context: Context, caller: Caller, job_id: UUID) -> Status:
    """The status of the tenant's job. Raises ApiError 404."""
    async with context.database.tenant(caller.tenant_id) as connection:
        return shown_status(await find_job(connection, job_id))


def _check_open(status: Status) -> None:
    """Raises ApiError 409 if the job has ended: its workflow could only answer that it is gone."""
    if status in FINAL:
        detail = f"the job is {status}; only a completed one can be rolled back"
        raise ApiError("invalid_state", detail)


@asynccontextmanager
async def _noted(
    context: InContext, caller: Operator, action: str, job_id: UUID
) -> AsyncIterator[None]:
    """Write to the audit log that the caller asks for the action, and then whether it was refused.

    The request is written first: the action may take effect although its answer is lost.
    """
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
    """Store the given mapping as the job's next revision; its number, or 0 if none was given.

    It holds the job's lock, so that concurrent requests get different numbers. Raises ApiError 404
    without such a job, 409 unless the job is in preview, 422 if the mapping cannot work.
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
    """ApiError 409 that says why the job has no preview."""
    if job["failure"]:
        detail = f"the job has no preview: it failed ({job['failure']['code']})"
        return ApiError("invalid_state", detail, failure=job["failure"])
    return ApiError("invalid_state", f"the job has no preview: its phase is {job['phase']}")
