"""What went wrong in a migration, and how far it is: errors, their CSV, progress as it happens."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic_core import to_jsonable_python

from api.auth import Caller, Reader
from api.context import Context, InContext
from api.job import find_job, shown_jobs
from api.page import InPage
from domain.migration import FINAL, Status
from storage import record

router = APIRouter(prefix="/v1/migration", tags=["migration"])

_COLUMNS = ("row", "sourceId", "field", "code", "detail", "value")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BATCH = 1000


@router.get("/{job_id}/errors")
async def list_errors(
    job_id: UUID, context: InContext, caller: Reader, page: InPage
) -> dict[str, Any]:
    """The records that were rejected, or kept by an undo, each with its place and reason."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_job(connection, job_id)
        rows = await record.errors(connection, job_id, page.wanted, page.after)
    return page.answer(rows, [_shown(row) for row in rows])


@router.get("/{job_id}/errors.csv")
async def download_errors(job_id: UUID, context: InContext, caller: Reader) -> StreamingResponse:
    """The same as CSV. A cell that a spreadsheet would run as a formula is prefixed with '."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_job(connection, job_id)
    headers = {
        "Content-Disposition": f'attachment; filename="migration-{job_id}-errors.csv"',
        "X-Content-Type-Options": "nosniff",
    }
    body = _errors_csv(context, caller, job_id)
    return StreamingResponse(body, headers=headers, media_type="text/csv; charset=utf-8")


async def _errors_csv(context: Context, caller: Caller, job_id: UUID) -> AsyncIterator[str]:
    yield _csv_lines([_COLUMNS])
    after: UUID | None = None
    while True:
        async with context.database.tenant(caller.tenant_id) as connection:
            rows = await record.errors(connection, job_id, _BATCH, after)
        if not rows:
            return
        yield _csv_lines([_safe(_shown(row)[name]) for name in _COLUMNS] for row in rows)
        after = rows[-1]["id"]


def _csv_lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def _safe(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "row": row["source_row"],
        "sourceId": row["source_id"],
        "field": row["field"],
        "code": row["code"],
        "detail": row["detail"],
        "value": row["value"],
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
        text, over = json.dumps(shown), Status(job["status"]) in FINAL
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
