"""POST /v1/migration/upload: from the first byte to a job whose workflow runs."""

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
from api.migration.job import find_job, shown_jobs
from api.migration.job_workflow import reference
from api.migration.stored_file import take_room
from api.migration.upload_reader import UploadFields, UploadReader
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
    """The form as OpenAPI wants it; the models it refers to are described with other routes."""
    schema = UploadFields.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    schema["required"].append("file")
    schema["description"] = "Fields before the file are judged before it is read."
    return schema


_FORM = {"required": True, "content": {"multipart/form-data": {"schema": _form_schema()}}}


@router.post(
    "/upload",
    status_code=201,
    openapi_extra={"requestBody": _FORM},
    responses={202: {"description": "The job; its preview is not ready yet"}},
)
async def upload(
    request: Request, context: InContext, caller: Operator, idempotency_key: IdempotencyKey = None
) -> Response:
    """Upload an export: multipart/form-data, the fields and the file in part `file`. What stands
    before the file is judged before it is read.

    201 with the preview if it is ready within `wait` seconds, else 202 with the job.
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
    asked = fields.model_dump(mode="json", exclude={"wait", "sha256"})
    return request_hash({**asked, "fileName": stored.file_name}, stored.sha256)


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload whose file is in storage: whose it is, its key, and the hash of what it asks."""

    context: Context
    caller: Caller
    idempotent: IdempotentRequest
    hash: str

    async def record(self, stored: NewJob, mapping: ImportMapping | None) -> Job | Response:
        """The job of the file; or the answer given earlier, and the file is dropped again."""
        try:
            earlier = self.idempotent.replay(self.hash)
            # If this fails but for a refusal, the job may be on record all the same (a commit whose
            # reply was lost), so the file stays: the reaper deletes what belongs to no job.
            taken = earlier or await self._create(stored, mapping)
        except (ApiError, BadInput):
            await self.context.store.delete([stored.object_key])
            raise
        if earlier is not None:
            await self.context.store.delete([stored.object_key])
        return taken

    async def _create(self, stored: NewJob, mapping: ImportMapping | None) -> Job:
        # From the same commit on, a repeated request is answered with this job.
        async with self.idempotent.transaction() as connection:
            await take_room(self.context, self.caller, connection, stored.object_size)
            job = await migration.create(connection, self.caller.tenant_id, stored, mapping)
            await note(connection, self.caller, "create", "migration", job["id"])
            shown = (await shown_jobs(self.context, connection, [job]))[0]
            answer = to_jsonable_python({"job": shown})
            await self.idempotent.settle(connection, self.hash, 202, answer)
        return job

    async def answer(self, job_id: UUID, wait: float) -> Response:
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
    with suppress(RPCError):  # the job is on record: the reaper starts what was never started
        await start_migration(context.temporal, input, summary(job))


async def _first_state(
    context: Context, caller: Caller, job_id: UUID, wait: float
) -> tuple[Job, Json]:
    """The job once it is no longer pending, or as it is when the time to wait is over."""
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
