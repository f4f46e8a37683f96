"""A CSV of any tool: columns are mapped by well-known header names only."""

from typing import TYPE_CHECKING

from sources.entity_map import EntityMap
from sources.source import Source

if TYPE_CHECKING:
    from sources.readers.chunk import Reader

_TICKET = {
    "external_id": ("external_id", "number", "ticket_number", "ticket_id", "key", "id"),
    "title": ("title", "summary", "short_description", "subject"),
    "description": ("description", "details"),
    "status": ("status", "state"),
    "priority": ("priority",),
    "category": ("category",),
    "assigned_to": ("assigned_to", "assignee", "owner"),
    "assigned_to_email": ("assigned_to_email", "assignee_email", "owner_email"),
    "assigned_group": ("assigned_group", "assignment_group", "group", "team"),
    "created_at": ("created_at", "created", "opened_at", "opened", "created_on", "created_date"),
    "updated_at": ("updated_at", "updated", "last_updated", "modified_at", "updated_on"),
    "due_at": ("due_at", "due_date", "due"),
    "closed_at": ("closed_at", "closed", "closed_on", "closed_date"),
}
_INCIDENT = EntityMap(
    tables=("incident",),
    columns=_TICKET
    | {
        "external_id": ("incident_id", "incident_number", *_TICKET["external_id"]),
        "impact": ("impact",),
        "urgency": ("urgency",),
        "subcategory": ("subcategory", "sub_category"),
        "reporter": ("reporter", "requester", "caller", "reported_by", "opened_by"),
        "reporter_email": ("reporter_email", "requester_email", "caller_email"),
        "location": ("location", "site"),
        "configuration_item": ("configuration_item", "cmdb_ci", "ci"),
        "active": ("active",),
        "resolution_code": ("resolution_code", "close_code"),
        "resolution_notes": ("resolution_notes", "close_notes", "resolution"),
        "resolved_at": ("resolved_at", "resolved", "resolved_on", "resolved_date"),
    },
    statuses={
        "new": ("Open", "Opened", "Created"),
        "in_progress": ("Assigned", "Work In Progress", "Active", "Started"),
        "on_hold": ("Pending", "Waiting", "Hold"),
        "resolved": ("Fixed", "Solved", "Done"),
        "closed": ("Complete", "Completed"),
        "cancelled": ("Canceled",),
    },
)
_REQUEST = EntityMap(
    tables=("request",),
    columns=_TICKET
    | {
        "external_id": ("request_id", "request_number", *_TICKET["external_id"]),
        "requested_for": ("requested_for", "requester"),
        "requested_for_email": ("requested_for_email", "requester_email"),
        "stage": ("stage",),
        "approval": ("approval",),
        "active": ("active",),
    },
    statuses={
        "in_progress": ("Assigned", "Work In Progress", "Active", "Started"),
        "pending_approval": ("Waiting for Approval", "Awaiting Approval"),
        "completed": ("Complete", "Done", "Fulfilled", "Resolved"),
        "cancelled": ("Canceled",),
    },
)


def _csv() -> "Reader":
    from sources.readers.csv.opening import read_csv

    return read_csv


GENERIC_CSV = Source(
    system="generic_csv",
    readers={"csv": _csv},
    entities={"incident": _INCIDENT, "request": _REQUEST},
)
