"""ServiceNow: exports of its lists as CSV, JSON or XML, and replies of its Table API.

Codes and labels are those of the incident, sc_request and sc_req_item tables as delivered
(vendor documentation, "Incident states" and "Request states"); instances rename some.
"""

from collections.abc import Sequence

from domain.mapping.mapping import Mapping, PriorityMapping, StatusMapping
from sources.servicenow.values import values_of
from sources.source import LazyReader, Source, fill_targets


def _shown(*fields: str) -> tuple[str, ...]:
    """A reference by its display value where the file has one, else as it is: a sys_id or name."""
    suffixes = (".display_value", ".name", "")
    return tuple(f"{field}{suffix}" for field in fields for suffix in suffixes)


_TASK = {
    "external_id": ("number",),
    "title": ("short_description",),
    "description": ("description",),
    "status": ("state",),
    "priority": ("priority",),
    "assigned_to": _shown("assigned_to"),
    "assigned_to_email": ("assigned_to.email",),
    "assigned_group": _shown("assignment_group"),
    "active": ("active",),
    "created_at": ("opened_at", "opened", "sys_created_on", "created"),
    "updated_at": ("sys_updated_on", "updated"),
    "due_at": ("due_date",),
    "closed_at": ("closed_at", "closed"),
}
_CANDIDATES = {
    "incident": _TASK
    | {
        # Some instances keep the states of all tasks in the one, an incident's own in the other.
        "status": ("incident_state", "state"),
        "impact": ("impact",),
        "urgency": ("urgency",),
        "category": ("category",),
        "subcategory": ("subcategory",),
        "reporter": _shown("caller_id", "caller"),
        "reporter_email": ("caller_id.email",),
        "location": _shown("location"),
        "configuration_item": _shown("cmdb_ci", "configuration_item"),
        "resolution_code": ("close_code", "resolution_code"),
        "resolution_notes": ("close_notes", "resolution_notes"),
        "resolved_at": ("resolved_at", "resolved"),
    },
    "request": _TASK
    | {
        # A requested item is often titled by its catalogue item alone.
        "title": ("short_description", "cat_item.display_value"),
        "status": ("request_state", "state"),
        "category": ("category",),
        "requested_for": _shown("requested_for", "request.requested_for"),
        "requested_for_email": ("requested_for.email",),
        "stage": ("stage",),
        "approval": ("approval",),
    },
}
# Without these a record cannot be imported: 3 of 7,044 real incidents have no short description.
_FALLBACKS = {
    "title": ("cat_item.display_value", "number"),
    "status": ("state",),
    # Some records of a file may have a name where others have a reference with what it displays.
    "assigned_to": ("assigned_to",),
    "assigned_group": ("assignment_group",),
    "reporter": ("caller_id",),
    "location": ("location",),
    "configuration_item": ("cmdb_ci",),
    "requested_for": ("requested_for",),
}
# States 2 to 5 as Active and Awaiting … are those of instances older than the Geneva release.
_STATUSES = {
    "incident": {
        "new": ("1", "New"),
        "in_progress": ("2", "In Progress", "Work In Progress", "Active"),
        "on_hold": (
            *("3", "4", "5", "On Hold", "Pending"),
            *("Awaiting Problem", "Awaiting User Info", "Awaiting Evidence"),
        ),
        "resolved": ("6", "Resolved"),
        "closed": ("7", "Closed"),
        "cancelled": ("8", "Canceled", "Cancelled"),
    },
    "request": {
        "new": ("requested", "New"),
        "open": ("1", "Open"),
        "in_progress": ("2", "in_process", "Work in Progress", "In Progress", "Approved"),
        "pending_approval": ("-5", "Pending", "Pending Approval", "Waiting for Approval"),
        "completed": ("3", "closed_complete", "Closed Complete", "Completed"),
        "closed": (
            *("4", "closed_incomplete", "Closed Incomplete", "Closed"),
            *("7", "closed_skipped", "Closed Skipped", "closed_rejected", "Closed Rejected"),
        ),
        "cancelled": ("closed_cancelled", "Closed Cancelled", "Canceled", "Cancelled"),
    },
}
_PRIORITIES = {
    1: ("1", "1 - Critical", "Critical"),
    2: ("2", "2 - High", "High"),
    3: ("3", "3 - Moderate", "3 - Medium", "Moderate", "Medium"),
    4: ("4", "4 - Low", "Low", "5", "5 - Planning", "Planning"),
}


def default_mapping(entity: str, columns: Sequence[str]) -> Mapping:
    """The mapping of the columns that this file has; raises KeyError for an unknown entity."""
    return Mapping(
        field_mappings=fill_targets(_CANDIDATES[entity], columns, _FALLBACKS),
        status_mappings=tuple(
            StatusMapping(source_status=word, target_status=status)
            for status, words in _STATUSES[entity].items()
            for word in words
        ),
        priority_mappings=tuple(
            PriorityMapping(source_priority=word, target_priority=priority)
            for priority, words in _PRIORITIES.items()
            for word in words
        ),
    )


SERVICENOW = Source(
    system="servicenow",
    readers={
        "csv": LazyReader("sources.servicenow.csv_export:read_csv"),
        "json": LazyReader("sources.servicenow.json_export:read_json"),
        "xml": LazyReader("sources.servicenow.xml_export:read_xml"),
    },
    tables={"incident": ("incident",), "request": ("sc_request", "sc_req_item")},
    default_mapping=default_mapping,
    identity="sys_id",
    labels_priorities=True,
    export_limit=10_000,  # glide.csv.export.limit and its like, as delivered
    # Vendor documentation: XML and JSON exports hold the stored UTC values; CSV and XLSX those
    # displayed to the exporting user, as does JSON of the Table API if it is asked for them.
    utc_formats=frozenset({"json", "xml"}),
    only_utc=frozenset({"xml"}),
    values_of=values_of,
)
