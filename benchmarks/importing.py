"""Measures one import as a client of the API sees it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.floor import settle
from benchmarks.stack import Stack, Tenant

PARTS = ("preview", "execute", "total")

# A poll costs the API some 6 ms of CPU: one every 20 ms took a sixth of two cores.
_POLL_SECONDS = 0.1
_FIELDS = {"sourceSystem": "servicenow", "entityType": "incident", "wait": "0"}


@dataclass(frozen=True, slots=True)
class Import:
    """Seconds of an import: from upload to preview, and from execute to completed."""

    preview: float
    execute: float

    @property
    def total(self) -> float:
        """From upload to completed, for a client that executes as soon as the preview is there."""
        return self.preview + self.execute


def timed_import(tenant: Tenant, export: Path, rows: int) -> Import:
    """Import an export of `rows` rows. Raises RuntimeError unless all of them are imported."""
    begin = time.perf_counter()
    job = tenant.api.upload(export, _FIELDS)["job"]
    job = _settled(tenant, job["id"], "preview")
    previewed = time.perf_counter()
    tenant.api.post(f"/v1/migration/{job['id']}/execute")
    job = _settled(tenant, job["id"], "completed")
    completed = time.perf_counter()
    if job["successfulRecords"] != rows:
        raise RuntimeError(f"{job['successfulRecords']} of {rows} records were imported")
    return Import(previewed - begin, completed - previewed)


def import_once(running: Stack, file: Path, rows: int) -> Import:
    """Measure one import into a new tenant, whose records are deleted afterwards."""
    tenant = running.new_tenant()
    imported = timed_import(tenant, file, rows)
    settle(running, tenant.schema)
    return imported


def _settled(tenant: Tenant, job_id: str, status: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = tenant.api.get(f"/v1/migration/{job_id}")["job"]
        if job["status"] == status:
            return job
        if job["status"] not in ("pending", "processing"):
            raise RuntimeError(f"the job is {job['status']} and not {status}: {job['failure']}")
        time.sleep(_POLL_SECONDS)
