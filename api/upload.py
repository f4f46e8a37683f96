"""POST /v1/migration/upload: from the first byte to a job whose workflow runs."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from temporalio.service import RPCError

from api.auth import Caller, Operator
from api.context import Context, InContext
from api.durable import reference
from api.errors import ApiError, bad_input_response
from api.form import Form
from api.idempotency import IdempotencyKey, Once, once, request_hash
from api.intake import UploadFields, chosen_mapping, read_fields, store_file
from api.job import find_job, shown_jobs
from domain.failures import Problem
from domain.mapping import Mapping
from domain.migration import Status
from storage import migration
from storage.migration import Job, NewJob, summary
from workflows.migration import MigrationInput
from workflows.starting import start_migration

router = APIRouter(prefix="/v1/migration", tags=["migration"])

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    **UploadFields.model_json_schema(ref_template="#/components/schemas/{model}"),
                    "description": "Send the fields first and the file last.",
                }
            }
        },
    }
}
_FORM["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["file"] = {
    "type": "string",
    "format": "binary",
}
_FORM["requestBody"]["content"]["multipart/form-data"]["schema"].pop("$defs", None)


@router.post("/upload", status_code=201, openapi_extra=_FORM)
async def upload(
    request: Request, context: InContext, caller: Operator, idempotency_key: IdempotencyKey = None
) -> Response:
    """Upload an export: multipart/form-data, the fields first, then the file in part `file`.

    201 with the preview if it is ready within `wait` seconds, else 202 with the job.
    """
    form = Form(request, context.settings.upload_max_bytes)
    fields = read_fields(await form.fields())
    if fields.tenant_slug not in (None, caller.slug):
        raise ApiError(403, "forbidden", "this key belongs to another tenant")
    async with once(context, caller, idempotency_key) as hold:
        mapping = await chosen_mapping(context, caller, fields)
        stored = await store_file(context, caller, fields, form)
        asked = fields.model_dump(mode="json", exclude={"wait", "sha256"})
        hash = request_hash({**asked, "fileName": stored.file_name}, stored.sha256)
        job = await _record(context, caller, stored, mapping, hold, hash)
        if isinstance(job, Response):
            return job
        await _start(context, job)
        return await _answer(context, caller, job["id"], fields.wait, hold, hash)


async def _record(
    context: Context,
    caller: Caller,
    stored: NewJob,
    mapping: Mapping | None,
    hold: Once,
    hash: str,
) -> Job | Response:
    """The job of the stored file; or the answer given earlier, and the file is dropped again."""
    try:
        earlier = hold.replay(hash)
        if earlier is None:
            async with context.database.tenant(caller.tenant_id) as connection:
                return await migration.create(connection, caller.tenant_id, stored, mapping)
    except BaseException:
        await context.store.delete([stored.object_key])
        raise
    await context.store.delete([stored.object_key])
    return earlier


async def _start(context: Context, job: Job) -> None:
    input = MigrationInput(
        job=reference(job),
        ttl_seconds=context.settings.migration_ttl_seconds,
        dry_run=job["dry_run"],
    )
    with suppress(RPCError):  # the job is on record: the reaper starts what was never started
        await start_migration(context.temporal, input, summary(job))


async def _answer(
    context: Context, caller: Caller, job_id: UUID, wait: float, hold: Once, hash: str
) -> Response:
    job, shown = await _first_state(context, caller, job_id, wait)
    if job["status"] == Status.FAILED and job["failure"]:
        await hold.release()
        return bad_input_response(Problem.model_validate(job["failure"]), jobId=str(job_id))
    body = jsonable_encoder({"job": shown})
    if job["preview"] is not None:
        body["preview"] = job["preview"]
    status = 202 if job["preview"] is None else 201
    await hold.settle(hash, status, body)
    return JSONResponse(body, status)


async def _first_state(
    context: Context, caller: Caller, job_id: UUID, wait: float
) -> tuple[Job, dict[str, Any]]:
    """The job once it is no longer pending, or as it is when the time to wait is over."""
    deadline = asyncio.get_running_loop().time() + wait
    pause = 0.02
    while True:
        async with context.database.tenant(caller.tenant_id) as connection:
            job = await find_job(connection, job_id)
            left = deadline - asyncio.get_running_loop().time()
            if job["status"] != Status.PENDING or left <= 0:
                return job, (await shown_jobs(context, connection, [job]))[0]
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.25)
