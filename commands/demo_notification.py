"""The demo's second half: connects and tests four vendors, and notifies all of one incident."""

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.client import Api, Json, Refused
from commands.demo_life import CALLED_WITH
from commands.demo_received import INCIDENT, VENDORS, Arrival, arrived, check, panel

_OVER = {"delivered", "accepted"}
_WAIT_SECONDS = 30


def connect(api: Api, receivers: Json, console: Console) -> dict[str, str]:
    """Connect each vendor, test the connection, and create a default channel for it; the ids of the
    integrations by type.

    Raises Refused if a test fails.
    """
    table, made = Table.grid(padding=(0, 2)), dict[str, str]()
    for kind in VENDORS:
        config = receivers[kind]["config"] | CALLED_WITH.get(kind, {})
        integration = {"name": f"Demo {kind}", "type": kind, "config": config}
        made[kind] = id = api.post("/v1/integrations", integration)["data"]["id"]
        tested = api.post(f"/v1/integrations/{id}/test")["data"]
        for each in tested["checks"]:
            mark = Text("✓", "green") if each["ok"] else Text("✗", "red")
            table.add_row(VENDORS[kind].name, mark, Text(f"{each['name']}: {each['detail']}"))
        if not tested["success"]:
            console.print(table)
            raise Refused(f"the test of {kind} failed: {tested['error']}")
        channel = {"name": kind, "type": kind, "integration_id": id, "is_default": True}
        api.post("/v1/notification-channels", channel)
    console.print(table)
    return made


def notify(api: Api, receivers: Json, console: Console) -> Json:
    """Send one critical event and show it as each vendor received it; the answer to the POST.

    Raises Refused unless it arrived exactly once at every vendor, with the expected content.
    """
    event, began = _event(api), time.time()
    accepted = api.post("/v1/notifications", event)
    console.print("POST /v1/notifications", style="bold")
    console.print_json(data=event)
    deliveries = _delivered(api, accepted["data"][0]["id"])
    arrivals = [arrived(kind, receivers[kind]["received"], began) for kind in VENDORS]
    console.rule("[bold]7. What arrived, as each receiver got it")
    for arrival in arrivals:
        console.print(panel(arrival))
    for arrival in arrivals:
        check(arrival, event["title"])
    console.rule("[bold]8. What the service has on record")
    console.print(_record(deliveries, {each.kind: each for each in arrivals}))
    return accepted


def _event(api: Api) -> Json:
    """An invented event of an imported incident."""
    [incident] = api.get("/v1/records/incident", external_id=INCIDENT)["data"]
    return {
        "eventType": "incident.escalated",
        "title": f"{INCIDENT} {incident['title']}, now for all of R&D",
        "body": "Nobody in R&D can send or receive mail since 09:41.\n"
        "The mail team is on it; the next news will be here at 10:15.",
        "entityType": "incident",
        "entityId": INCIDENT,
        "metadata": {
            "severity": "critical",
            "url": f"https://firelater.example/incidents/{INCIDENT}",
            "service": "mail",
            "assignedTo": incident["assigned_to"],
            "usersAffected": 214,
        },
    }


def _delivered(api: Api, notification_id: str) -> list[Json]:
    """The deliveries once all are over. Raises Refused if one fails or is missing after 30 s."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        found: list[Json] = api.get(f"/v1/notifications/{notification_id}")["data"]["deliveries"]
        if len(found) == len(VENDORS) and all(each["completedAt"] for each in found):
            break
        time.sleep(0.05)
    wrong = [each for each in found if each["status"] not in _OVER]
    if wrong or len(found) != len(VENDORS):
        said = [f"{each['channelType']} {each['status']}: {each['lastError']}" for each in wrong]
        raise Refused("; ".join(said) or f"expected {len(VENDORS)} deliveries, found {len(found)}")
    return found


def _record(deliveries: list[Json], arrivals: dict[str, Arrival]) -> Table:
    """The service's record of each delivery, beside when it arrived."""
    table = Table("channel", "destination", "status", "attempts", "answer", "latency", "arrived")
    for kind, vendor in VENDORS.items():
        [each] = (each for each in deliveries if each["channelType"] == kind)
        last = each["log"][-1]
        table.add_row(
            vendor.name,
            each["destination"] or "–",
            Text(each["status"], "green"),
            str(each["attempts"]),
            str(last["statusCode"]),
            f"{last['latencyMs']} ms",
            f"{arrivals[kind].after * 1000:.0f} ms",
        )
    return table
