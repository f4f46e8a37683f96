"""`firelater demo`: starts the whole service, uses it, and stops it, for a first look."""

import time
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from commands.client import Api, Json, Refused
from commands.demo_life import act
from commands.demo_notification import connect, notify
from commands.demo_servers import Ready, servers
from commands.migrate import Migration, migrate

_EXPORTS = Path(__file__).parents[1] / "examples" / "demo"
_SERVICENOW = {"sourceSystem": "servicenow", "entityType": "incident"}


def demo(data_dir: Path, console: Console) -> None:
    """Run the demo on a service of its own. Raises Refused if a step has an unexpected result."""
    console.rule("[bold]1. PostgreSQL, Temporal, S3, API and workers are starting")
    with servers(data_dir, console) as (ready, receivers):
        admin = Api(ready["api"], Path(ready["admin_key_file"]).read_text().strip())
        tenant = admin.post("/v1/tenants", {"slug": _slug(), "name": "Demo"})
        api = Api(ready["api"], tenant["apiKey"])
        job = _migrate(api, console)
        console.rule("[bold]5. Slack, Teams, PagerDuty and a webhook are connected and tested")
        integrations = connect(api, receivers["receivers"], console)
        console.rule("[bold]6. All four are notified of a critical event of one of these incidents")
        notified = notify(api, receivers["receivers"], console)
        console.rule("[bold]9. Kim acknowledges it in Slack, then Jo resolves it in PagerDuty")
        inbound = {kind: f"{ready['api']}/v1/inbound/{id}" for kind, id in integrations.items()}
        act(api, inbound, receivers["receivers"], console)
        console.rule("[bold]To look around, run `make up`: it serves the same data")
        _show_links(ready, job, notified, console)
        _show_call(ready, api, notified, console)


def _migrate(api: Api, console: Console) -> Json:
    """Import two files, the second one on top of the first; the second job."""
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
    _expect(job, "completed", successfulRecords=1699, failedRecords=2)
    console.rule("[bold]4. What was imported, read back")
    _show_records(api, console)
    return job


def _slug() -> str:
    return f"demo-{int(time.time())}"


def _expect(job: Json, status: str, **counts: int) -> None:
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


def _show_links(ready: Ready, job: Json, notified: Json, console: Console) -> None:
    """Print where the API's documentation and both workflows are."""
    workflows = job["temporalUi"].rpartition("/")[0]
    links = {
        "API docs": f"{ready['api']}/docs",
        "Import": job["temporalUi"],
        "Notification": f"{workflows}/{quote(notified['workflowId'], safe='')}",
        "Admin key": ready["admin_key_file"],
    }
    for name, link in links.items():
        console.print(f"{name:13} {link}", soft_wrap=True)


def _show_call(ready: Ready, api: Api, notified: Json, console: Console) -> None:
    """Print a call that reads every attempt, with a key of the role viewer."""
    key = api.post("/v1/api-keys", {"name": "demo reader", "role": "viewer"})["apiKey"]
    url = f"{ready['api']}/v1/notifications/{notified['data'][0]['id']}"
    call = f"curl -s {url} -H 'Authorization: Bearer {key}'"
    console.print("Every attempt, read with a key of the role viewer:")
    console.print(call, soft_wrap=True, highlight=False, markup=False)
