"""The entities a migration can fill, and the columns each one has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "timestamp", "boolean", "status", "priority"]


@dataclass(frozen=True, slots=True)
class Field:
    """A target column that an import can fill. A required one must have a value in every record;
    an indexed one is looked records up by, and bounded as its index is."""

    name: str
    kind: Kind = "text"
    required: bool = False
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of record of the platform: its table in the tenant schema and its fields.

    Of the statuses, those are `over` after which nobody works on it, and `resting` those in which
    it may be active or not.
    """

    name: str
    table: str
    fields: tuple[Field, ...]
    statuses: tuple[str, ...]
    over: tuple[str, ...]
    resting: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)


_TICKET = (
    Field("external_id", indexed=True),
    Field("title", required=True),
    Field("description"),
    Field("status", "status", required=True),
    Field("priority", "priority", required=True),
)
_PEOPLE = (
    Field("assigned_to"),
    Field("assigned_to_email"),
    Field("assigned_group"),
)
_DATES = (
    Field("created_at", "timestamp"),
    Field("updated_at", "timestamp"),
    Field("due_at", "timestamp"),
    Field("closed_at", "timestamp"),
)

INCIDENT = Entity(
    name="incident",
    table="incidents",
    fields=(
        *_TICKET,
        Field("impact"),
        Field("urgency"),
        Field("category"),
        Field("subcategory"),
        *_PEOPLE,
        Field("reporter"),
        Field("reporter_email"),
        Field("location"),
        Field("configuration_item"),
        Field("active", "boolean"),
        Field("resolution_code"),
        Field("resolution_notes"),
        *_DATES,
        Field("resolved_at", "timestamp"),
    ),
    statuses=("new", "in_progress", "on_hold", "resolved", "closed", "cancelled"),
    over=("closed", "cancelled"),
    resting=("resolved",),
)

REQUEST = Entity(
    name="request",
    table="requests",
    fields=(
        *_TICKET,
        Field("category"),
        *_PEOPLE,
        Field("requested_for"),
        Field("requested_for_email"),
        Field("stage"),
        Field("approval"),
        Field("active", "boolean"),
        *_DATES,
    ),
    statuses=("new", "open", "in_progress", "pending_approval", "completed", "closed", "cancelled"),
    over=("completed", "closed", "cancelled"),
)

ENTITIES: Mapping[str, Entity] = {entity.name: entity for entity in (INCIDENT, REQUEST)}
PRIORITIES = (1, 2, 3, 4)  # critical, high, medium, low
