"""Requests: somebody asks for something from the catalogue, or for access."""

from domain.mapping.entities.ticket import ACTIVE, CATEGORY, DATES, PEOPLE, TICKET
from domain.mapping.entity import Entity, Field

REQUEST = Entity(
    name="request",
    table="requests",
    fields=(
        *TICKET,
        CATEGORY,
        *PEOPLE,
        Field("requested_for", synonyms=("requester", "requested by", "caller", "reporter")),
        Field("requested_for_email", synonyms=("requester email", "requested by email")),
        Field("stage", synonyms=("request stage",)),
        Field("approval", synonyms=("approval status", "approval state")),
        ACTIVE,
        *DATES,
    ),
    statuses=("new", "open", "in_progress", "pending_approval", "completed", "closed", "cancelled"),
    over=("completed", "closed", "cancelled"),
)
