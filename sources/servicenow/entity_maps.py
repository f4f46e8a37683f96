"""The entities that ServiceNow has: their tables, columns and words.

Codes and labels are those of the incident, sc_request and sc_req_item tables as delivered
(vendor documentation, "Incident states" and "Request states"); instances rename some.
"""

from sources.entity_map import EntityMap


def _shown(*fields: str) -> tuple[str, ...]:
    """The columns of a reference: its display value first, else its own column (sys_id or name)."""
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
_TASK_FALLBACKS = {
    # A record without a title cannot be imported; 3 of 7,044 real incidents have no short
    # description.
    "title": ("cat_item.display_value", "number"),
    "status": ("state",),
    # In one file, a field may hold a plain name in some records, and a reference in others.
    "assigned_to": ("assigned_to",),
    "assigned_group": ("assignment_group",),
}
_TASK_PRIORITIES = {
    1: ("1", "1 - Critical", "Critical"),
    2: ("2", "2 - High", "High"),
    3: ("3", "3 - Moderate", "3 - Medium", "Moderate", "Medium"),
    4: ("4", "4 - Low", "Low", "5", "5 - Planning", "Planning"),
}

_INCIDENT = EntityMap(
    tables=("incident",),
    columns=_TASK
    | {
        # Some instances keep the states of all tasks in `state`, those of incidents alone in
        # `incident_state`.
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
    fallbacks=_TASK_FALLBACKS
    | {
        "reporter": ("caller_id",),
        "location": ("location",),
        "configuration_item": ("cmdb_ci",),
    },
    # States 2 to 5 as Active and Awaiting … are those of instances older than the Geneva release.
    statuses={
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
    priorities=_TASK_PRIORITIES,
)
_REQUEST = EntityMap(
    tables=("sc_request", "sc_req_item"),
    columns=_TASK
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
    fallbacks=_TASK_FALLBACKS | {"requested_for": ("requested_for",)},
    statuses={
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
    priorities=_TASK_PRIORITIES,
)

ENTITY_MAPS = {"incident": _INCIDENT, "request": _REQUEST}
