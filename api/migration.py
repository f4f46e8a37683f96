"""Migration jobs over HTTP: preview, execute, steer, report. Uploads come in through upload.py."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from api.auth import Operator, Reader
from api.context import InContext
from api.durable import ask, roll_back
from api.errors import ApiError
from api.intake import check_mapping
from api.job import find_job, shown_jobs
from api.page import InPage
from domain.mapping import Mapping
from domain.migration import Options, Status
from storage import migration
from storage.migration import Job
from workflows.migration import MigrationWorkflow
from workflows.steering import ExecuteRequest

router = APIRouter(prefix="/v1/migration", tags=["migration"])


class NewPreview(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mapping: Mapping


class Execute(Options):
    """The options of an execution, and optionally a mapping in place of the previewed one."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    mapping: Mapping | None = None


@router.get("")
async def list_migrations(context: InContext, caller: Reader, page: InPage) -> dict[str, Any]:
    """The tenant's migrations, newest first."""
    async with context.database.tenant(caller.tenant_id) as connection:
        jobs = await migration.page(connection, page.wanted, page.after)
        return page.answer(jobs, await shown_jobs(context, connection, jobs))


@router.get("/{job_id}")
async def get_migration(job_id: UUID, context: InContext, caller: Reader) -> dict[str, Any]:
    """One migration with its progress, rate and remaining time."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
        return {"job": (await shown_jobs(context, connection, [job]))[0]}


@router.get("/{job_id}/preview")
async def get_preview(job_id: UUID, context: InContext, caller: Reader) -> dict[str, Any]:
    """The newest preview: counts over the whole file, first records, mapping, suggestions."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
    if job["preview"] is None:
        raise _without_preview(job)
    return {"preview": job["preview"]}


@router.post("/{job_id}/preview")
async def new_preview(
    job_id: UUID, body: NewPreview, context: InContext, caller: Operator
) -> dict[str, Any]:
    """Preview the file under another mapping, which is kept for the execution."""
    revision = await _add_mapping(context, caller, job_id, body.mapping)
    await ask(context.temporal, job_id, MigrationWorkflow.preview, revision)
    return await get_preview(job_id, context, caller)


@router.post("/{job_id}/execute", status_code=202)
async def execute(
    job_id: UUID, body: Execute, context: InContext, caller: Operator
) -> dict[str, Any]:
    """Import the file. All or nothing, unless `continueOnError`; see the job for its progress."""
    revision = 0
    if body.mapping is not None:
        revision = await _add_mapping(context, caller, job_id, body.mapping)
    else:
        await get_migration(job_id, context, caller)
    options = Options.model_validate(body.model_dump(exclude={"mapping"}))
    request = ExecuteRequest(revision=revision, options=options)
    await ask(context.temporal, job_id, MigrationWorkflow.execute, request)
    return await get_migration(job_id, context, caller)


@router.post("/{job_id}/pause", status_code=202)
async def pause(job_id: UUID, context: InContext, caller: Operator) -> dict[str, Any]:
    """Pause the import between two batches."""
    return await _steer(job_id, context, caller, MigrationWorkflow.pause)


@router.post("/{job_id}/resume", status_code=202)
async def resume(job_id: UUID, context: InContext, caller: Operator) -> dict[str, Any]:
    """Go on with a paused import."""
    return await _steer(job_id, context, caller, MigrationWorkflow.resume)


@router.post("/{job_id}/cancel", status_code=202)
async def cancel(job_id: UUID, context: InContext, caller: Operator) -> dict[str, Any]:
    """Stop the job and take back everything it wrote."""
    return await _steer(job_id, context, caller, MigrationWorkflow.cancel)


@router.delete("/{job_id}/rollback", status_code=202)
async def rollback(job_id: UUID, context: InContext, caller: Operator) -> dict[str, Any]:
    """Take a completed import back; rows edited since are kept and listed with the errors."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
    if job["status"] != Status.COMPLETED:
        raise ApiError(
            409,
            "invalid_state",
            f"only a completed job can be rolled back, not one that is {job['status']}",
        )
    await roll_back(context.temporal, job)
    return await get_migration(job_id, context, caller)


async def _steer(job_id: UUID, context: InContext, caller: Operator, update: Any) -> dict[str, Any]:
    """Ask the job's workflow, if the job is the tenant's own; the job as it is then."""
    await get_migration(job_id, context, caller)
    await ask(context.temporal, job_id, update)
    return await get_migration(job_id, context, caller)


async def _add_mapping(context: InContext, caller: Operator, job_id: UUID, mapping: Mapping) -> int:
    """Keep the mapping as the job's next revision; its number is what the workflow is told."""
    async with context.database.tenant(caller.tenant_id) as connection:
        job = await find_job(connection, job_id)
        if job["status"] != Status.PREVIEW:
            raise ApiError(409, "invalid_state", f"the job is {job['status']}")
        check_mapping(mapping, job["entity_type"])
        return await migration.add_mapping(connection, caller.tenant_id, job_id, mapping)


def _without_preview(job: Job) -> ApiError:
    if job["failure"]:
        detail = f"the job has no preview: it failed ({job['failure']['code']})"
        return ApiError(409, "invalid_state", detail, failure=job["failure"])
    return ApiError(409, "invalid_state", f"the job has no preview: it is {job['phase']}")
