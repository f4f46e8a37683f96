"""`firelater demo`: the whole service, started, used and stopped again, for a first look."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from commands.client import Api, Refused
from commands.migrate import Migration, migrate

_EXPORTS = Path(__file__).parents[1] / "examples" / "demo"
_START_SECONDS = 180
_SERVICENOW = {"sourceSystem": "servicenow", "entityType": "incident"}


def demo(data_dir: Path, console: Console) -> None:
    """Run the demo on a stack of its own. Raises Refused if something does not go as it should."""
    console.rule("[bold]1. PostgreSQL, Temporal, S3, API and workers are starting")
    with _stack(data_dir, console) as ready:
        admin = Api(ready["api"], Path(ready["admin_key_file"]).read_text().strip())
        tenant = admin.post("/v1/tenants", {"slug": _slug(), "name": "Demo"})
        api = Api(ready["api"], tenant["apiKey"])
        console.rule("[bold]2. A ServiceNow XML export is imported")
        first = Migration(_EXPORTS / "incidents.xml", _SERVICENOW, {})
        job = migrate(api, first, console)
        _expect(job, "completed", successfulRecords=2000)
        console.rule("[bold]3. A later CSV export, with bad rows, known records and a duplicate")
        second = Migration(
            _EXPORTS / "incidents.csv",
            {**_SERVICENOW, "sourceTimezone": "Europe/Zurich"},
            {"continueOnError": True},
        )
        job = migrate(api, second, console)
        _expect(job, "completed", successfulRecords=1698, failedRecords=3)
        console.rule("[bold]4. What was imported, read back")
        _show_records(api, console)
        _show_links(ready, job, console)


@contextmanager
def _stack(data_dir: Path, console: Console) -> Iterator[dict[str, Any]]:
    """`firelater up` as a child, for as long as the demo takes; what it says in its ready file."""
    ready_file = data_dir / "ready.json"
    command = [sys.executable, "-m", "cli", "up", "--storage", "s3", "--data-dir", str(data_dir)]
    stack = subprocess.Popen([*command, "--ready-file", str(ready_file)])
    try:
        yield _ready(stack, ready_file)
    finally:
        console.print("Stopping …")
        stack.terminate()
        stack.wait(60)


def _ready(stack: subprocess.Popen[bytes], ready_file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if stack.poll() is not None:
            raise Refused("the stack did not start; it says why above")
        if ready_file.exists():
            ready: dict[str, Any] = json.loads(ready_file.read_text())
            return ready
        time.sleep(0.2)
    raise Refused(f"the stack is not ready after {_START_SECONDS} seconds")


def _slug() -> str:
    return f"demo-{int(time.time())}"


def _expect(job: dict[str, Any], status: str, **counts: int) -> None:
    found = {name: job[name] for name in counts}
    if job["status"] != status or found != counts:
        raise Refused(f"expected {status} with {counts}, found {job['status']} with {found}")


def _show_records(api: Api, console: Console) -> None:
    table = Table(show_lines=False)
    columns = ("external_id", "title", "status", "priority", "assigned_to", "created_at")
    for column in columns:
        table.add_column(column)
    for record in api.get("/v1/records/incident", limit=5)["data"]:
        table.add_row(*(str(record[column]) for column in columns))
    console.print(table)


def _show_links(ready: dict[str, Any], job: dict[str, Any], console: Console) -> None:
    console.rule("[bold]Look around with `make up`, which runs on the same data")
    console.print(f"API docs      {ready['api']}/docs", soft_wrap=True)
    console.print(f"Temporal UI   {job['temporalUi']}", soft_wrap=True)
    console.print(f"Admin key     {ready['admin_key_file']}", soft_wrap=True)
