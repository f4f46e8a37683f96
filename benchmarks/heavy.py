"""`python -m benchmarks.heavy [FILE …] [--limit BYTES] [--normal N] [--cache DIR]`: imports files
that need much memory beside normal ones, with 2 GiB for the worker.

The worker and the processes that it starts are in a control group with that limit, where the kernel
kills them as in a container. Normal imports must complete. Heavy ones must complete, or fail with
`resource_limit` and leave no row. Prints a line for each job, and one for the worker.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.cgroup import Confined, confined, remove
from benchmarks.floor import count_rows
from benchmarks.generate import export
from benchmarks.heavy_files import HEAVY
from benchmarks.stack import Stack, Tenant, stack

_POLL_SECONDS = 0.2
_PATIENCE = 1800.0  # seconds for each of a job's two parts
_WAITING = {"pending", "processing"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job ended."""

    file: str
    status: str
    records: int
    rows: int
    seconds: float
    code: str | None
    detail: str | None

    @property
    def in_order(self) -> bool:
        """Whether the job completed with all rows, or failed with `resource_limit` and left
        none."""
        if self.status == "completed":
            return self.rows == self.records
        return self.status == "failed" and self.code == "resource_limit" and self.rows == 0


def _migrated(tenant: Tenant, file: Path, postgres: str) -> Outcome:
    """Import the file; the job goes on even if the worker dies meanwhile."""
    begin = time.monotonic()
    fields = {"sourceSystem": "servicenow", "entityType": "incident", "wait": "0"}
    job_id = tenant.api.upload(file, fields)["job"]["id"]
    job = _settled(tenant, job_id)
    if job["status"] == "preview":
        tenant.api.post(f"/v1/migration/{job_id}/execute", {"continueOnError": True})
        job = _settled(tenant, job_id, "preview")
    failure = job.get("failure") or {}
    return Outcome(
        file=file.name,
        status=job["status"],
        records=job["totalRecords"],
        rows=count_rows(postgres, tenant.schema),
        seconds=round(time.monotonic() - begin, 1),
        code=failure.get("code"),
        detail=failure.get("detail"),
    )


def _settled(tenant: Tenant, job_id: str, *also: str) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            job: dict[str, Any] = tenant.api.get(f"/v1/migration/{job_id}")["job"]
            if job["status"] not in _WAITING | {*also}:
                return job
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"job {job_id} did not end")


@contextmanager
def _confined_stack(limit: int, **settings: str) -> Iterator[tuple[Stack, Confined]]:
    with stack(1, **settings) as running:
        supervisor = psutil.Process(running.worker_pid).ppid()
        with confined(supervisor, limit) as group:
            # The first worker read its memory limit before it was in the group. It is replaced by
            # one that finds the group's limit.
            psutil.Process(running.worker_pid).terminate()
            _until_replaced(group, running.worker_pid)
            yield running, group
    remove(group)


def _until_replaced(group: Confined, pid: int) -> None:
    while not group.pids - {pid}:
        time.sleep(0.1)
    group.pids.discard(pid)


def run(cache: Path, names: list[str], limit: int, normal: int) -> bool:
    """Run the campaign; returns whether every job ended as it must."""
    heavy = [HEAVY[name](cache / name) for name in names]
    usual = [export(cache, "csv", 100_000)] * normal
    with _confined_stack(limit, IMPORT_SLOTS="4") as (running, group):
        files = [*heavy, *usual]
        tenants = [running.new_tenant() for _ in files]
        with ThreadPoolExecutor(len(files)) as pool:
            jobs = [
                pool.submit(_migrated, tenant, file, running.postgres)
                for tenant, file in zip(tenants, files, strict=True)
            ]
            outcomes = [job.result() for job in jobs]
    for outcome in outcomes:
        print(json.dumps(asdict(outcome)), flush=True)
    good = all(each.in_order for each in outcomes) and all(
        each.status == "completed" for each in outcomes[len(heavy) :]
    )
    summary = {
        "name": "heavy",
        "cgroup": group.version,
        "limit_mib": limit // 2**20,
        "peak_anonymous_mib": group.peak_bytes // 2**20,
        "worker_deaths": group.deaths,
        "jobs": len(outcomes),
        "completed": sum(each.status == "completed" for each in outcomes),
        "all_in_order": good,
    }
    print(json.dumps(summary), flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heavy", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help=", ".join(HEAVY))
    parser.add_argument("--limit", type=int, default=2 * 2**30, help="the worker's bytes")
    parser.add_argument("--normal", type=int, default=3, help="number of normal imports beside")
    cache = Path(tempfile.gettempdir()) / "firelater-benchmarks"
    parser.add_argument("--cache", type=Path, default=cache, help="where files are kept")
    asked = parser.parse_args()
    if unknown := set(asked.files) - HEAVY.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(HEAVY)}")
    asked.cache.mkdir(parents=True, exist_ok=True)
    sys.exit(not run(asked.cache, asked.files or [*HEAVY], asked.limit, asked.normal))


if __name__ == "__main__":
    main()
