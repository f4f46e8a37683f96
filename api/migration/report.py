"""Endpoints that report on a migration: rejected and skipped records as JSON and CSV, and progress
as server-sent events."""

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
from api.migration.view import find_job, shown_jobs, shown_status
from api.page import InPage, Page
from domain.json_document import Json
from domain.migration.job import FINAL
from storage.migration import records as record
from storage.postgres.rows import Identified

router = APIRouter(prefix="/v1/migration", tags=["migration"])

List = Callable[[AsyncConnection, UUID, int, UUID | None], Awaitable[Sequence[Identified]]]


class Listed(NamedTuple):
    """One list of a job's records: its name in the URL, its query and its columns."""

    name: str
    find: List
    columns: dict[str, str]  # the name of each member over HTTP, and its column in the table


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
# A cell that begins with one of these may be run as a formula by a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BATCH = 1000  # rows of a CSV file that are read and sent at a time
_LOOK_SECONDS = 0.5  # between two looks at a job that is followed
_SILENT_SECONDS = 15.0  # then a comment is sent: proxies close a connection that is silent for long


@router.get("/{job_id}/errors")
async def list_errors(job_id: UUID, context: InContext, caller: Reader, page: InPage) -> Json:
    """List the records of a job that were rejected, or that undoing the import kept.

    Needs a key of the role admin, operator or viewer. Each entry says where in the file the record
    stands (`row`, from 1), its `sourceId`, and the `field`, `code`, `detail` and `value` at fault.
    The same is repeated under the names that FireLater's own client uses; its `recordIndex` counts
    from 0.

    Answers one page: up to `limit` entries in `data`, and in `nextCursor` the `cursor` of the next
    page, or null on the last one. Only the first 10,000 faults are kept. 404 if the tenant has no
    such job.
    """
    answer = await _page(context, caller, _ERRORS, job_id, page)
    return answer | {"data": [each | _in_platform_words(each) for each in answer["data"]]}


@router.get("/{job_id}/errors.csv")
async def download_errors(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """Download all rejected and kept records of a job as one CSV file.

    Needs a key of the role admin, operator or viewer. The columns are `row`, `sourceId`, `field`,
    `code`, `detail` and `value`. A cell that a spreadsheet might run as a formula begins with an
    apostrophe that is not part of the value. 404 if the tenant has no such job.
    """
    return await _download(context, caller, _ERRORS, job_id)


@router.get("/{job_id}/skipped")
async def list_skipped(job_id: UUID, context: InContext, caller: Reader, page: InPage) -> Json:
    """List the records that the import skipped, each with the reason.

    Needs a key of the role admin, operator or viewer. `reason` is `exists` (the tenant had the
    record already), `repeated` (an earlier record of the file is the same ticket), `unchanged` (the
    update would have changed nothing) or `edited` (somebody has edited the record since it was
    imported).

    Answers one page: up to `limit` entries in `data`, and in `nextCursor` the `cursor` of the next
    page, or null on the last one. 404 if the tenant has no such job.
    """
    return await _page(context, caller, _SKIPPED, job_id, page)


@router.get("/{job_id}/skipped.csv")
async def download_skipped(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """Download all skipped records of a job as one CSV file.

    Needs a key of the role admin, operator or viewer. The columns are `row`, `sourceId` and
    `reason`. A cell that a spreadsheet might run as a formula begins with an apostrophe that is not
    part of the value. 404 if the tenant has no such job.
    """
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
    """The entry under the names of FireLater's own client, which counts records from 0."""
    return {
        "recordIndex": error["row"] - 1 if error["row"] else None,
        "recordId": error["sourceId"],
        "errorType": error["code"],
        "errorMessage": error["detail"],
        "fieldName": error["field"],
    }


@router.get("/{job_id}/events")
async def follow(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """Follow a job as server-sent events (`text/event-stream`).

    Needs a key of the role admin, operator or viewer. Sends the event `progress` with the job as
    JSON at the start and whenever the job has changed, and `end` with the job when it is over; then
    the stream closes. A stream that closes without `end` was interrupted: open it again, as
    EventSource does by itself. 404 if the tenant has no such job.
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
        if quiet >= _SILENT_SECONDS:
            yield ": still here\n\n"
            quiet = 0.0
        if await context.pause(_LOOK_SECONDS):  # an open stream would delay the shutdown
            yield ": this server restarts; connect again\n\n"
            return
        quiet += _LOOK_SECONDS
