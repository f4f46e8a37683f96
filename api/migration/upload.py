"""The upload endpoint: stores the file, records a job for it, and starts the job's workflow."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_jsonable_python
from temporalio.service import RPCError

from api.audit import note
from api.auth import Caller, Operator
from api.context import Context, InContext
from api.errors import ApiError, bad_input_response
from api.idempotency import IdempotencyKey, IdempotentRequest, request_hash
from api.migration.form import Form
from api.migration.job_workflow import reference
from api.migration.stored_file import take_room
from api.migration.upload_reader import UploadFields, UploadReader
from api.migration.view import find_job, shown_jobs
from domain.failures import BadInput, Problem
from domain.json_document import Json
from domain.mapping.mapping import ImportMapping
from domain.migration.job import Status
from storage.migration import jobs as migration
from storage.migration.jobs import Job, NewJob, summary
from workflows.migration.start import start_migration
from workflows.migration.workflow import MigrationInput

router = APIRouter(prefix="/v1/migration", tags=["migration"])


def _form_schema() -> Json:
    """The JSON schema of the form, for OpenAPI. Models that it refers to are in the schema already,
    as other routes use them."""
    schema = UploadFields.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    schema["required"].append("file")
    schema["description"] = (
        "Send the fields first and the file last: fields that come before the file are checked"
        " before the file is read."
    )
    return schema


_FORM = {"required": True, "content": {"multipart/form-data": {"schema": _form_schema()}}}


@router.post(
    "/upload",
    status_code=201,
    openapi_extra={"requestBody": _FORM},
    responses={202: {"description": "The job; its preview was not ready within `wait` seconds"}},
)
async def upload(
    request: Request, context: InContext, caller: Operator, idempotency_key: IdempotencyKey = None
) -> Response:
    """Upload an export file, and create a migration job for it.

    Needs a key of the role admin or operator. Send multipart/form-data with the file in the part
    `file`, and with the fields before the file: they are checked before the file is read. Nothing
    is imported yet: look at the preview, then execute the job.

    `sourceSystem` and `entityType` say where the file is from and what its records are. `mapping`
    is a mapping as JSON, `mappingTemplateId` names a stored one; without either, the source
    system's default mapping is used. `sourceInstance` tells apart sites whose records have the same
    ids, `sourceTimezone` is the zone of times that name none (default UTC), and `charset` and
    `delimiter` are those of a CSV file. With `dryRun` the preview also predicts the outcome; with
    `sha256` other bytes are refused.

    Answers 201 with the job and its preview if the preview is ready within `wait` seconds, else 202
    with the job.

    If reading the file finds a fault within `wait` seconds, the answer is a problem with the code
    and the place of the fault, and `jobId` names the failed job. 403 `quota_exceeded` if the tenant
    has no room for the file; 408 `upload_too_slow`; 413 if the file or a field is too large; 415
    for a format that is not supported; 422 for a field, a mapping or a checksum that is not valid.
    """
    form = Form(request, context.settings.upload_max_bytes)
    idempotent = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    async with idempotent.reserved():
        fields, mapping, stored = await UploadReader(context, caller, form).read()
        received = _Upload(context, caller, idempotent, _hash(fields, stored))
        job = await received.record(stored, mapping)
        if isinstance(job, Response):
            return job
        await _start(context, job)
        return await received.answer(job["id"], fields.wait)


def _hash(fields: UploadFields, stored: NewJob) -> str:
    """The hash by which a repeated upload is recognised: its fields and its file's SHA-256."""
    asked = fields.model_dump(mode="json", exclude={"wait", "sha256"})
    return request_hash({**asked, "fileName": stored.file_name}, stored.sha256)


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload whose file is in storage; `hash` is that of its fields and its file."""

    context: Context
    caller: Caller
    idempotent: IdempotentRequest
    hash: str

    async def record(self, stored: NewJob, mapping: ImportMapping | None) -> Job | Response:
        """Record a job for the file, and return it. For a repeated upload, delete the file and
        return the earlier answer."""
        try:
            earlier = self.idempotent.replay(self.hash)
            # If this fails with anything but a refusal, the job may be on record all the same (the
            # reply to the commit was lost). So the file stays; the reaper deletes it if it belongs
            # to no job.
            taken = earlier or await self._create(stored, mapping)
        except (ApiError, BadInput):
            await self.context.store.delete([stored.object_key])
            raise
        if earlier is not None:
            await self.context.store.delete([stored.object_key])
        return taken

    async def _create(self, stored: NewJob, mapping: ImportMapping | None) -> Job:
        # The job and the answer for a repeated request are committed together.
        async with self.idempotent.transaction() as connection:
            await take_room(self.context, self.caller, connection, stored.object_size)
            job = await migration.create(connection, self.caller.tenant_id, stored, mapping)
            await note(connection, self.caller, "create", "migration", job["id"])
            shown = (await shown_jobs(self.context, connection, [job]))[0]
            answer = to_jsonable_python({"job": shown})
            await self.idempotent.settle(connection, self.hash, 202, answer)
        return job

    async def answer(self, job_id: UUID, wait: float) -> Response:
        """The answer once the preview is ready, the file was found unreadable, or time is up."""
        job, shown = await _first_state(self.context, self.caller, job_id, wait)
        if job["status"] == Status.FAILED and job["failure"]:
            await self.idempotent.forget()
            return bad_input_response(Problem.model_validate(job["failure"]), jobId=str(job_id))
        body = to_jsonable_python({"job": shown})
        if job["preview"] is not None:
            body["preview"] = job["preview"]
        status = 202 if job["preview"] is None else 201
        async with self.idempotent.transaction() as connection:
            await self.idempotent.settle_again(connection, self.hash, status, body)
        return JSONResponse(body, status)


async def _start(context: Context, job: Job) -> None:
    input = MigrationInput(
        job=reference(job),
        ttl_seconds=context.settings.migration_ttl_seconds,
        dry_run=job["dry_run"],
    )
    with suppress(RPCError):  # the job is on record: the reaper starts it if this fails
        await start_migration(context.temporal, input, summary(job))


async def _first_state(
    context: Context, caller: Caller, job_id: UUID, wait: float
) -> tuple[Job, Json]:
    """The job once it is no longer pending, `wait` seconds are over, or the process shuts down."""
    deadline = asyncio.get_running_loop().time() + wait
    pause = 0.02
    while True:
        async with context.database.tenant(caller.tenant_id) as connection:
            job = await find_job(connection, job_id)
            left = deadline - asyncio.get_running_loop().time()
            if job["status"] != Status.PENDING or left <= 0 or context.closing.is_set():
                return job, (await shown_jobs(context, connection, [job]))[0]
        await context.pause(min(pause, left))
        pause = min(pause * 1.5, 0.25)
