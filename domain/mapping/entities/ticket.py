"""The fields that all tickets have, with the names that ServiceNow, Jira, BMC, Zendesk and
Freshservice give to them."""

from domain.mapping.entity import Field
from domain.mapping.kinds import BOOLEAN, PRIORITY, STATUS, TIMESTAMP

TICKET = (
    Field(
        "external_id",
        indexed=True,
        synonyms=(
            *("number", "key", "issue key", "id", "ticket id", "ticket number", "incident id"),
            *("incident number", "case number", "request id", "display id", "entry id"),
        ),
    ),
    Field(
        "title",
        required=True,
        transformation="trim",
        synonyms=("short description", "summary", "subject", "name", "headline"),
    ),
    Field(
        "description",
        synonyms=("details", "detailed description", "body", "notes", "long description"),
    ),
    Field(
        "status",
        STATUS,
        required=True,
        synonyms=("state", "incident state", "request state", "ticket status"),
    ),
    Field("priority", PRIORITY, required=True, synonyms=("prio", "severity")),
)
CATEGORY = Field("category", synonyms=("operational categorization tier 1",))
ACTIVE = Field("active", BOOLEAN, synonyms=("is active", "open"))
PEOPLE = (
    Field("assigned_to", synonyms=("assignee", "owner", "agent", "technician", "assigned agent")),
    Field("assigned_to_email", synonyms=("assignee email", "agent email", "owner email")),
    Field(
        "assigned_group",
        synonyms=("assignment group", "group", "team", "support group", "assigned team"),
    ),
)
DATES = (
    Field(
        "created_at",
        TIMESTAMP,
        synonyms=(
            *("created", "opened at", "opened", "sys created on", "created time", "created date"),
            *("reported date", "submit date", "creation date", "open time"),
        ),
    ),
    Field(
        "updated_at",
        TIMESTAMP,
        synonyms=(
            *("updated", "sys updated on", "updated time", "last modified date", "modified"),
            "last updated",
        ),
    ),
    Field("due_at", TIMESTAMP, synonyms=("due", "due date", "due by", "due by time", "sla due")),
    Field("closed_at", TIMESTAMP, synonyms=("closed", "closed time", "closed date", "close date")),
)
