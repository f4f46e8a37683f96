"""Public exports, imported by the service and read again by the plain rules written here."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.service import Tenant

Record = dict[str, Any]

JSON = ("users_companies/incident", "table_api/inc", "table_api/incident-response")
_STATES = {"1": "new", "2": "in_progress", "3": "on_hold", "6": "resolved", "7": "closed"}
_COPIED = {
    "external_id": "number",
    "description": "description",
    "category": "category",
    "subcategory": "subcategory",
    "impact": "impact",
    "urgency": "urgency",
    "resolution_code": "close_code",
    "resolution_notes": "close_notes",
    "assigned_to": "assigned_to",
    "assigned_group": "assignment_group",
    "reporter": "caller_id",
    "location": "location",
    "configuration_item": "cmdb_ci",
}
_DATES = {
    "created_at": "opened_at",
    "updated_at": "sys_updated_on",
    "closed_at": "closed_at",
    "resolved_at": "resolved_at",
    "due_at": "due_date",
}


def _text(value: Any) -> str | None:
    """A plain value, or that of a reference; None for nothing."""
    found = value["value"] if isinstance(value, dict) else value
    return found if found and found.strip() else None


def _instant(value: Any, form: str = "%Y-%m-%d %H:%M:%S") -> str | None:
    text = _text(value)
    if text is None:
        return None
    return datetime.strptime(text, form).replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _expected(record: Record) -> Record:
    said = _text(record.get("incident_state")) or _text(record.get("state")) or ""
    active = {"true": True, "false": False}.get(record.get("active") or "")
    return {
        "source_id": record["sys_id"],
        "title": (_text(record["short_description"]) or record["number"]).strip(),
        "status": _STATES[said],
        "priority": min(int(record["priority"][0]), 4),
        "active": active,
        **{target: _text(record.get(source)) for target, source in _COPIED.items()},
        **{target: _instant(record.get(source)) for target, source in _DATES.items()},
    }


async def _imported(tenant: Tenant, content: bytes, name: str, **fields: str) -> list[Record]:
    uploaded = await tenant.upload(content, name, **fields)
    assert uploaded.status_code == 201, uploaded.text
    job = await tenant.execute(uploaded.json()["job"]["id"], continueOnError=True)
    assert (job["status"], job["failedRecords"]) == ("completed", 0), job
    rows = await tenant.sql("select to_jsonb(t)::text as row from incidents t")
    return [json.loads(each["row"]) for each in rows]


def _shown(row: Record, names: Any) -> Record:
    """Those columns, instants to the second."""
    found = {name: row[name] for name in names}
    times = {name: found[name] for name in _DATES if found.get(name)}
    return found | {n: t[:19] + "Z" for n, t in times.items()}


@pytest.mark.parametrize("name", JSON)
async def test_of_servicenows_json(tenant: Tenant, shared_dir: Path, name: str) -> None:
    content = (shared_dir / f"data/servicenow/{name}.json").read_bytes()
    read = json.loads(content)
    records = read if isinstance(read, list) else read["result"]
    expected = {each["sys_id"]: _expected(each) for each in records}
    rows = await _imported(tenant, content, "incident.json", sourceSystem="servicenow")
    found = {row["source_id"]: _shown(row, expected[row["source_id"]]) for row in rows}
    assert found == expected


async def test_of_a_reply_in_labels(tenant: Tenant, shared_dir: Path) -> None:
    content = (shared_dir / "data/servicenow/table_api/incident.json").read_bytes()
    words = {"Closed": "closed", "New": "new", "In Progress": "in_progress", "Resolved": "resolved"}
    expected = {
        each["sys_id"]: (
            each["number"],
            each["short_description"],
            words.get(each["state"], "on_hold" if "Hold" in each["state"] else "?"),
            min(int(each["priority"][0]), 4),  # "5 - Planning" is low
            each["assignment_group"],
            f"{each['sys_created_on']}T00:00:00Z",
        )
        for each in json.loads(content)["result"]
    }
    rows = await _imported(tenant, content, "incident.json", sourceSystem="servicenow")
    names = ("external_id", "title", "status", "priority", "assigned_group", "created_at")
    found = {row["source_id"]: tuple(_shown(row, names).values()) for row in rows}
    assert found == expected


async def test_of_glpis_csv(tenant: Tenant, shared_dir: Path) -> None:
    content = (shared_dir / "data/generic/glpi_semicolon_fr.csv").read_bytes()
    states = {"En attente": "on_hold", "En cours (Attribué)": "in_progress"}
    ranks = {"Moyenne": 3, "Basse": 4, "Haute": 2}
    fields = {
        "ID": "external_id",
        "titre": "title",
        "Statut": "status",
        "Priorité": "priority",
        "Date d'ouverture": "created_at",
    }
    mapping = {
        "fieldMappings": [{"sourceField": s, "targetField": t} for s, t in fields.items()],
        "statusMappings": [{"sourceStatus": s, "targetStatus": t} for s, t in states.items()],
        "priorityMappings": [{"sourcePriority": s, "targetPriority": t} for s, t in ranks.items()],
        "sourceTimezone": "Europe/Paris",
    }
    rows = await _imported(tenant, content, "glpi.csv", mapping=json.dumps(mapping))
    read = [*csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";")]
    assert {
        row["external_id"]: (row["title"], row["status"], row["priority"], row["created_at"][:16])
        for row in rows
    } == {
        each["ID"]: (
            each["Titre"],
            states[each["Statut"]],
            ranks[each["Priorité"]],
            each["Date d'ouverture"].replace(" 12:", "T10:"),  # summer time
        )
        for each in read
    }


async def test_of_a_log_of_events(tenant: Tenant, shared_dir: Path) -> None:
    """141,712 records of 24,918 incidents: the first of each counts."""
    content = gzip.decompress(
        (shared_dir / "data/servicenow/incident_event_log.csv.gz").read_bytes()
    )
    fields = {
        "number": "external_id",
        "category": "title",
        "incident_state": "status",
        "priority": "priority",
        "opened_at": "created_at",
        "assigned_to": "assigned_to",
    }
    words = {"-100": "new", "Awaiting Vendor": "on_hold"}
    mapping = {
        "fieldMappings": [
            {"sourceField": s, "targetField": t, "fallbackFields": ["number"] * (t == "title")}
            for s, t in fields.items()
        ],
        "statusMappings": [{"sourceStatus": s, "targetStatus": t} for s, t in words.items()],
        "nullValues": ["?"],
        "dateOrder": "dmy",
    }
    rows = await _imported(
        tenant, content, "log.csv", sourceSystem="servicenow", mapping=json.dumps(mapping)
    )
    states = words | {
        **{"New": "new", "Active": "in_progress", "Resolved": "resolved", "Closed": "closed"},
        **dict.fromkeys(("Awaiting Evidence", "Awaiting Problem", "Awaiting User Info"), "on_hold"),
    }
    expected: dict[str, tuple[Any, ...]] = {}
    for each in csv.DictReader(io.StringIO(content.decode())):
        expected.setdefault(
            each["number"],
            (
                each["number"] if each["category"] == "?" else each["category"],
                states[each["incident_state"]],
                int(each["priority"][0]),
                _instant(each["opened_at"], "%d/%m/%Y %H:%M"),
                None if each["assigned_to"] == "?" else each["assigned_to"],
            ),
        )
    names = ("title", "status", "priority", "created_at", "assigned_to")
    assert {row["external_id"]: tuple(_shown(row, names).values()) for row in rows} == expected
