"""Incidents: something is broken, or somebody cannot work."""

from domain.mapping.entities.ticket import ACTIVE, CATEGORY, DATES, PEOPLE, TICKET
from domain.mapping.entity import Entity, Field
from domain.mapping.kinds import TIMESTAMP

INCIDENT = Entity(
    name="incident",
    table="incidents",
    fields=(
        *TICKET,
        Field("impact"),
        Field("urgency"),
        CATEGORY,
        Field("subcategory", synonyms=("operational categorization tier 2", "sub category")),
        *PEOPLE,
        Field(
            "reporter",
            synonyms=(
                *("caller", "caller id", "opened by", "requester", "customer", "created by"),
                "submitter",
            ),
        ),
        Field("reporter_email", synonyms=("caller email", "requester email", "customer email")),
        Field("location", synonyms=("site", "office")),
        Field(
            "configuration_item",
            synonyms=("cmdb ci", "ci", "asset", "configuration item name"),
        ),
        ACTIVE,
        Field(
            "resolution_code",
            synonyms=("close code", "resolution", "closure code", "resolution category"),
        ),
        Field(
            "resolution_notes",
            synonyms=("close notes", "resolution note", "solution", "closure notes"),
        ),
        *DATES,
        Field(
            "resolved_at",
            TIMESTAMP,
            synonyms=(
                *("resolved", "resolved time", "resolved date", "last resolved date"),
                "solved at",
            ),
        ),
    ),
    statuses=("new", "in_progress", "on_hold", "resolved", "closed", "cancelled"),
    over=("closed", "cancelled"),
    resting=("resolved",),
)
