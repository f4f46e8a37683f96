"""What a migration did not import, and how far it is: errors and skipped records, as JSON and CSV,
and progress as it happens."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller, Reader
from api.context import Context, InContext
from api.migration.job import find_job, shown_jobs, shown_status
from api.page import InPage, Page
from domain.json_document import Json
from domain.migration.job import FINAL
from storage.migration import records as record
from storage.postgres.rows import Identified

router = APIRouter(prefix="/v1/migration", tags=["migration"])

List = Callable[[AsyncConnection, UUID, int, UUID | None], Awaitable[Sequence[Identified]]]


class Listed(NamedTuple):
    """Records of a job that are listed: as what, and each with which columns."""

    name: str
    find: List
    columns: dict[str, str]  # names over HTTP: those of the table


_ERRORS = Listed(
    "errors",
    record.errors,
    {
        "row": "source_row",
        "sourceId": "source_id",
        "field": "field",
        "code": "code",
        "detail": "detail",
        "value": "value",
    },
)
_SKIPPED = Listed(
    "skipped",
    record.skips,
    {"row": "source_row", "sourceId": "source_id", "reason": "reason"},
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BATCH = 1000


@router.get("/{job_id}/errors")
async def list_errors(job_id: UUID, context: InContext, caller: Reader, page: InPage) -> Json:
    """The records that were rejected, or kept by an undo, each with its place and reason; once in
    our words and once in the platform's."""
    answer = await _page(context, caller, _ERRORS, job_id, page)
    return answer | {"data": [each | _in_platform_words(each) for each in answer["data"]]}


@router.get("/{job_id}/errors.csv")
async def download_errors(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """The same as CSV. A cell that a spreadsheet would run as a formula is prefixed with '."""
    return await _download(context, caller, _ERRORS, job_id)


@router.get("/{job_id}/skipped")
async def list_skipped(job_id: UUID, context: InContext, caller: Reader, page: InPage) -> Json:
    """The records that the import left as they were, each with the reason: the tenant had it
    (`exists`), an earlier record of the file was of the same ticket (`repeated`), an update would
    have changed nothing (`unchanged`), or somebody had edited it since its import (`edited`)."""
    return await _page(context, caller, _SKIPPED, job_id, page)


@router.get("/{job_id}/skipped.csv")
async def download_skipped(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """The same as CSV, as with errors."""
    return await _download(context, caller, _SKIPPED, job_id)


async def _page(context: Context, caller: Caller, listed: Listed, job_id: UUID, page: Page) -> Json:
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_job(connection, job_id)
        rows = await listed.find(connection, job_id, page.wanted, page.after)
    return page.answer(rows, [_to_response(listed, row) for row in rows])


async def _download(
    context: Context, caller: Caller, listed: Listed, job_id: UUID
) -> StreamingResponse:
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_job(connection, job_id)
    headers = {
        "Content-Disposition": f'attachment; filename="migration-{job_id}-{listed.name}.csv"',
        "X-Content-Type-Options": "nosniff",
    }
    body = _csv(context, caller, listed, job_id)
    return StreamingResponse(body, headers=headers, media_type="text/csv; charset=utf-8")


async def _csv(
    context: Context, caller: Caller, listed: Listed, job_id: UUID
) -> AsyncIterator[str]:
    yield _csv_lines([listed.columns])
    after: UUID | None = None
    while True:
        async with context.database.tenant(caller.tenant_id) as connection:
            rows = await listed.find(connection, job_id, _BATCH, after)
        if not rows:
            return
        yield _csv_lines(map(_safe, _to_response(listed, row).values()) for row in rows)
        after = rows[-1]["id"]


def _csv_lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def _safe(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _to_response(listed: Listed, row: Mapping[str, object]) -> Json:
    return {name: row[column] for name, column in listed.columns.items()}


def _in_platform_words(error: Json) -> Json:
    """The platform counts records from 0."""
    return {
        "recordIndex": error["row"] - 1 if error["row"] else None,
        "recordId": error["sourceId"],
        "errorType": error["code"],
        "errorMessage": error["detail"],
        "fieldName": error["field"],
    }


@router.get("/{job_id}/events")
async def follow(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """Server-sent events: `progress` with the job whenever it changed, `end` when it is over.

    A stream that closes without `end` is to be opened again, as EventSource does by itself.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_job(connection, job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    body = _events(context, caller, job_id)
    return StreamingResponse(body, headers=headers, media_type="text/event-stream")


async def _events(context: Context, caller: Caller, job_id: UUID) -> AsyncIterator[str]:
    last, quiet = "", 0.0
    while True:
        async with context.database.tenant(caller.tenant_id) as connection:
            job = await find_job(connection, job_id)
            shown = to_jsonable_python((await shown_jobs(context, connection, [job]))[0])
        text, over = json.dumps(shown), shown_status(job) in FINAL
        if text != last or over:
            yield f"event: {'end' if over else 'progress'}\ndata: {text}\n\n"
            last, quiet = text, 0.0
        if over:
            return
        if quiet >= 15:  # proxies close a connection that is silent for long
            yield ": still here\n\n"
            quiet = 0.0
        if await context.pause(0.5):  # or the stream would hold up the end of the whole process
            yield ": this server restarts; connect again\n\n"
            return
        quiet += 0.5
