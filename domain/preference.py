"""What a user wants to be told, and through which channels."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.delivery import Reason
from domain.severity import Severity, SeveritySetting

# An event type as it is written, or all below one: `incident.*` is `incident.created` and
# `incident.sla.breached`, but neither `incident` nor `incidents.created`.
Pattern = Annotated[str, Field(max_length=102, pattern=r"^[A-Za-z0-9_.:-]+(\.\*)?$")]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=200)]

Row = Mapping[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class EventTypes(_Body):
    """Of what is included, that which is not excluded; to include nothing is to include all."""

    include: Patterns = ()
    exclude: Patterns = ()


class Preferences(_Body):
    """A user's choice; what it leaves out is as for users who have made none.

    `channels` None means the tenant's default channels; an empty list means none at all.
    """

    muted: bool = False
    channels: Annotated[tuple[UUID, ...], Field(max_length=200)] | None = None
    event_types: EventTypes = EventTypes()
    min_severity: SeveritySetting | None = None


def unwanted(preferences: Preferences, event_type: str, severity: Severity) -> Reason | None:
    """Why the user is not to be told of such an event; None if they are."""
    include, exclude = preferences.event_types.include, preferences.event_types.exclude
    least = preferences.min_severity or Severity.INFO
    if preferences.muted:
        return Reason.MUTED
    if (include and not _matches(include, event_type)) or _matches(exclude, event_type):
        return Reason.EVENT_TYPE_EXCLUDED
    return Reason.BELOW_MIN_SEVERITY if severity.rank > least.rank else None


def targets(preferences: Preferences | None, channels: Iterable[Row]) -> list[UUID]:
    """The channels (`id`, `is_default`) that somebody is told through, also those that a choice
    names and that there are no more."""
    mine = preferences.channels if preferences else None
    if mine is not None:
        return list(dict.fromkeys(mine))
    return [channel["id"] for channel in channels if channel["is_default"]]


def _matches(patterns: Iterable[str], event_type: str) -> bool:
    return any(
        event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern
        for pattern in patterns
    )
