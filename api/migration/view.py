"""Migration jobs as the HTTP API shows them."""

from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context
from api.errors import require_found
from domain.json_document import Json
from domain.migration.job import AFTER_IMPORT, FINAL, Counts, Status
from storage.migration import jobs as migration
from storage.migration.account import Progress, progress_of
from storage.migration.jobs import Job
from workflows.migration.start import migration_id

_NOTHING = Progress(Counts(), 0)


async def find_job(connection: AsyncConnection, job_id: UUID) -> Job:
    """The tenant's job with this id. Raises ApiError 404 if the tenant has none."""
    return require_found(await migration.find(connection, job_id), "migration")


async def shown_jobs(context: Context, connection: AsyncConnection, jobs: list[Job]) -> list[Json]:
    """Jobs as JSON, with their progress: the sum over the committed batches of each job."""
    progress = await progress_of(connection, [job["id"] for job in jobs])
    return [_to_response(context, job, progress.get(job["id"], _NOTHING)) for job in jobs]


def shown_status(job: Job) -> Status:
    """The status to show. A job that is taken back or cleaned up is shown as `processing`: its row
    keeps the status from before until that is done, such as `completed` during a rollback."""
    return Status.PROCESSING if job["phase"] in AFTER_IMPORT else Status(job["status"])


def _to_response(context: Context, job: Job, progress: Progress) -> Json:
    counts, rate, remaining = progress.counts, None, None
    if counts.processed and progress.seconds:
        rate = counts.processed / progress.seconds
        remaining = (job["total_records"] - counts.processed) / rate
    return {
        "id": str(job["id"]),
        "status": shown_status(job),
        "phase": job["phase"],
        "sourceSystem": job["source_system"],
        "sourceInstance": job["source_instance"],
        "entityType": job["entity_type"],
        "format": job["format"],
        "fileName": job["file_name"],
        "filePath": job["file_path"],
        "fileSize": job["object_size"],
        "sha256": job["sha256"],
        "mappingRevision": job["mapping_revision"],
        "totalRecords": job["total_records"],
        "processedRecords": counts.processed,
        "successfulRecords": counts.inserted,
        "updatedRecords": counts.updated,
        "skippedRecords": counts.skipped,
        "failedRecords": counts.failed,
        "rowsPerSecond": None if rate is None else round(rate, 1),
        "etaSeconds": _eta(job, remaining),
        "temporalUi": _temporal_ui(context, job),
        "options": job["options"],
        "report": job["report"],
        "failure": job["failure"],
        "ignoredRecords": (job["profile"] or {}).get("ignored", {}),
        "warnings": job["warnings"],
        "createdAt": job["created_at"],
        "startedAt": job["started_at"],
        "completedAt": job["completed_at"],
    }


def _eta(job: Job, remaining: float | None) -> float | None:
    """Seconds until the import ends; None if unknown, 0 if the job has ended."""
    if shown_status(job) in FINAL:
        return 0
    return None if remaining is None else round(remaining, 1)


def _temporal_ui(context: Context, job: Job) -> str | None:
    """The link to the job's workflow in the Temporal UI; None if no UI is configured."""
    base = context.settings.temporal_ui_url
    if base is None:
        return None
    namespace = quote(context.settings.temporal_namespace, safe="")
    return f"{base}/namespaces/{namespace}/workflows/{quote(migration_id(job['id']), safe='')}"
