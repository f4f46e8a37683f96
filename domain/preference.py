"""What a user wants to be told, and through which channels."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.severity import Severity, SeveritySetting

# An event type as it is written, or all below one: `incident.*` is `incident.created` and
# `incident.sla.breached`, but neither `incident` nor `incidents.created`.
Pattern = Annotated[str, Field(max_length=102, pattern=r"^[A-Za-z0-9_.:-]+(\.\*)?$")]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=200)]

Row = TypeVar("Row", bound=Mapping[str, Any])


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


def wants(preferences: Preferences, event_type: str, severity: Severity) -> bool:
    """Whether the user is to be told of such an event at all."""
    include, exclude = preferences.event_types.include, preferences.event_types.exclude
    least = preferences.min_severity or Severity.INFO
    return (
        not preferences.muted
        and severity.rank <= least.rank
        and (not include or _matches(include, event_type))
        and not _matches(exclude, event_type)
    )


def chosen(preferences: Preferences, channels: Iterable[Row]) -> list[Row]:
    """Those of the channels (`id`, `is_default`) that the user is told through, in their order."""
    mine = preferences.channels
    if mine is None:
        return [channel for channel in channels if channel["is_default"]]
    return [channel for channel in channels if channel["id"] in mine]


def _matches(patterns: Iterable[str], event_type: str) -> bool:
    return any(
        event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern
        for pattern in patterns
    )
