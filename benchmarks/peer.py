"""Compares our import with dlt, which merges the same CSV into the same PostgreSQL by sys_id."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from statistics import median

import asyncpg

from benchmarks.generate import export
from benchmarks.importing import import_once
from benchmarks.peer_environment import installed
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line, spread
from benchmarks.stack import Stack, stack

_ROWS = 100_000
_PACKAGES = ("dlt[postgres]==1.31.0", "pyarrow==26.0.1")
_PIPELINE = Path(__file__).with_name("dlt_pipeline.py")


def peer_dlt(plan: Plan) -> Line:
    """dlt and our import take turns. Raises LeftOut if dlt cannot be installed."""
    python, rows = installed(plan.cache / "dlt", *_PACKAGES), plan.rows or _ROWS
    file = export(plan.cache, "csv", rows)
    ours, theirs = [], []
    with stack() as running:
        for _ in range(plan.repeat):
            ours.append(import_once(running, file, rows).total)
            theirs.append(_load(python, running, file, rows))
    figures = [
        Figure("dlt_ratio", median(theirs) / median(ours)),
        Figure("rows_per_s", rows / median(ours)),
        Figure("dlt_rows_per_s", rows / median(theirs)),
    ]
    details = {"rows": rows, "total_s": spread(ours), "dlt_s": spread(theirs), "dlt": _PACKAGES}
    return Line("peer_dlt", figures, details)


def _load(python: Path, running: Stack, file: Path, rows: int) -> float:
    """Seconds of one run of dlt's pipeline, into tables that are dropped afterwards."""
    environment = os.environ | {
        "DESTINATION__POSTGRES__CREDENTIALS": running.postgres,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    command = [str(python), "-P", str(_PIPELINE), str(file)]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    asyncio.run(_drop(running.postgres))
    loaded = json.loads(ran.stdout.splitlines()[-1])
    if loaded["rows"] != rows:
        raise RuntimeError(f"dlt loaded {loaded['rows']} of {rows} rows")
    return float(loaded["seconds"])


async def _drop(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("drop schema peer cascade; drop schema peer_staging cascade")
    await connection.execute("checkpoint")
    await connection.close()
