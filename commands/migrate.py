"""`firelater migrate`: imports one export file, with a progress bar, and shows the report."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from commands.client import Api, Json, Refused

_ENDED = {"completed", "failed", "cancelled", "rolled_back"}
_POLL_SECONDS = 0.2
_NOT_VALID = (
    "One bad record keeps the whole file from being imported: correct the file or the mapping, or"
    " import the good records with --continue-on-error."
)


@dataclass(frozen=True, slots=True)
class Migration:
    """A file to import, with the form fields of its upload and the options of its execution, both
    named as in the HTTP API."""

    file: Path
    fields: dict[str, str]
    options: Json


def migrate(api: Api, wanted: Migration, console: Console) -> Json:
    """Upload, preview, execute, follow and report; the job as it ended.

    Raises Refused if the API refuses the file or the mapping.
    """
    console.print(f"[bold]{wanted.file.name}[/] is being uploaded and parsed …")
    job = api.upload(wanted.file, {**wanted.fields, "wait": "60"})["job"]
    job = _parsed(api, job)
    if job["status"] == "failed":
        raise Refused(f"{job['failure']['code']}: {job['failure']['detail']}")
    console.print(f"It is job {job['id']}.")
    show_preview(api.get(f"/v1/migration/{job['id']}/preview")["preview"], console)
    api.post(f"/v1/migration/{job['id']}/execute", wanted.options)
    job = _follow(api, job["id"], console)
    show_report(job, console)
    show_errors(api.get(f"/v1/migration/{job['id']}/errors", limit=10)["data"], console)
    return job


def _parsed(api: Api, job: Json) -> Json:
    """The job once its file has been read."""
    while job["status"] == "pending":
        time.sleep(_POLL_SECONDS)
        job = api.get(f"/v1/migration/{job['id']}")["job"]
    return job


def _follow(api: Api, job_id: str, console: Console) -> Json:
    """Show the progress until the job has ended or is back in preview; the job then."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("validating", total=None, rate="")
        while True:
            job: Json = api.get(f"/v1/migration/{job_id}")["job"]
            rate = job["rowsPerSecond"]
            bar.update(
                task,
                description=job["phase"].replace("_", " "),
                total=job["totalRecords"],
                completed=job["processedRecords"],
                rate=f"{rate:,.0f} rows/s" if rate else "",
            )
            # A dry run, or a file that fails validation, returns the job to preview.
            if job["status"] in _ENDED or job["status"] == "preview":
                return job
            time.sleep(_POLL_SECONDS)


def show_preview(preview: Json, console: Console) -> None:
    """Print the counts, the warnings and the recommendations of a preview."""
    counts = Table(title="Preview", title_justify="left", show_header=False)
    for name in ("totalRecords", "validRecords", "invalidRecords", "duplicateRecords"):
        counts.add_row(name, f"{preview[name]:,}")
    counts.add_row("encoding", preview["encoding"])
    console.print(counts)
    odd = [f"{_records(each['count'])}: {each['detail']}" for each in preview["remarks"]]
    for sentence in (*preview["warnings"], *odd, *preview["recommendations"]):
        console.print(f"  [yellow]·[/] {sentence}")


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"


def show_report(job: Json, console: Console) -> None:
    """Print how the job ended: its counts, and what to do or to know next."""
    report = Table(title=f"Report: {job['status']}", title_justify="left", show_header=False)
    for name in ("successfulRecords", "updatedRecords", "skippedRecords", "failedRecords"):
        report.add_row(name, f"{job[name]:,}")
    if job["status"] == "preview":
        report.add_row("outcome", f"{job['report'].get('outcome')}: nothing was imported")
    console.print(report)
    if job["report"].get("outcome") == "validation_failed":
        console.print(f"  [yellow]·[/] {_NOT_VALID}")
    if job["skippedRecords"]:
        listed = f"GET /v1/migration/{job['id']}/skipped"
        console.print(f"  [yellow]·[/] To see which records were skipped, and why: {listed}")
    for warning in job["warnings"]:
        console.print(f"  [yellow]·[/] {warning}")


def show_errors(errors: list[Json], console: Console) -> None:
    """Print a table of rejected records, if there are any."""
    if not errors:
        return
    table = Table(title="First errors", title_justify="left")
    for name in ("row", "field", "code", "value"):
        table.add_column(name)
    for each in errors:
        table.add_row(str(each["row"]), each["field"], each["code"], (each["value"] or "")[:40])
    console.print(table)
