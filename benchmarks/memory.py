"""Peak memory of the worker (with the processes that it starts) and of the API, in an import."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.generate import export
from benchmarks.importing import timed_import
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line
from benchmarks.stack import stack

_ROWS = 1_000_000
_SHARE = 5  # the smaller import has a fifth of the rows
_EVERY_SECONDS = 0.05
_MB = 10**6


@dataclass(slots=True)
class Peak:
    """The peak memory of a process and its descendants, in MB.

    `rss` counts a page of a shared library in every process that has it. `pss` divides the page
    among these processes, and so is the memory that the tree really takes.
    """

    rss: float = 0
    pss: float = 0

    def sample(self, root: psutil.Process) -> None:
        rss = pss = 0
        for process in [root, *root.children(recursive=True)]:
            try:
                used = process.memory_full_info()
            except psutil.Error:
                continue  # the process has ended meanwhile
            rss, pss = rss + used.rss, pss + used.pss
        self.rss, self.pss = max(self.rss, rss / _MB), max(self.pss, pss / _MB)


def memory(plan: Plan) -> Line:
    """Imports of 200,000 and 1,000,000 rows, each on a new service."""
    rows = plan.rows or _ROWS
    small, _ = _peaks(plan, rows // _SHARE)
    large, api = _peaks(plan, rows)
    figures = [
        Figure("worker_rss_mb", large.rss, 500),
        Figure("api_rss_mb", api.rss, 200),
        Figure("ratio_to_fifth", large.rss / small.rss, 1.25),
        Figure("worker_pss_mb", large.pss),
    ]
    details = {"rows": rows, "fifth_rss_mb": round(small.rss), "api_pss_mb": round(api.pss)}
    return Line("memory", figures, details)


def _peaks(plan: Plan, rows: int) -> tuple[Peak, Peak]:
    file = export(plan.cache, "csv", rows)
    with stack() as running:
        tenant = running.new_tenant()
        with _sampled(running.worker_pid) as worker, _sampled(running.api_pid) as api:
            timed_import(tenant, file, rows)
    return worker, api


@contextmanager
def _sampled(pid: int) -> Iterator[Peak]:
    """The peak of a process and its descendants during the block."""
    peak, root, over = Peak(), psutil.Process(pid), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_SECONDS):
            peak.sample(root)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()
