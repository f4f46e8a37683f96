"""Which events a user wants to be notified of, and through which channels."""

from collections.abc import Iterable
from typing import Annotated, Self, TypedDict
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.notification.delivery import Reason
from domain.notification.event_type import closest, fits, folded
from domain.notification.severity import Severity, SeveritySetting

# An event type, or all types below a prefix: `incident.*` includes `incident.created` and
# `incident.sla.breached`, but neither `incident` nor `incidents.created`.
Pattern = Annotated[str, Field(max_length=102, pattern=r"^[A-Za-z0-9_.:-]+(\.\*)?$")]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=200)]
# Any type, also one that this service does not send through: the platform shows events in its own
# pages, too.
ChannelType = Annotated[str, Field(max_length=50, pattern=r"^[A-Za-z0-9_.-]+$")]

CHOICES = 1_000  # per user, at most


class Listed(TypedDict):
    """What `targets` reads of a channel."""

    id: UUID
    is_default: bool


class _Body(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class EventTypes(_Body):
    """Event types that are included and not excluded; an empty `include` includes all."""

    include: Patterns = ()
    exclude: Patterns = ()


class Choice(_Body):
    """Whether the user wants these events through channels of this type: a row of the platform's
    table. If several rows fit an event, the most specific one counts, and it overrides
    `eventTypes`."""

    event_type: Pattern
    channel_type: ChannelType
    enabled: bool


def _key(choice: Choice) -> tuple[str, str]:
    return folded(choice.event_type), choice.channel_type


def _unique(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    seen: set[tuple[str, str]] = set()
    for choice in choices:
        if _key(choice) in seen:
            raise ValueError(
                f"{choice.event_type} through {choice.channel_type} is chosen twice: keep one"
            )
        seen.add(_key(choice))
    return choices


class Preferences(_Body):
    """What a user wants; a member that is left out counts as for a user without preferences.

    `channels` None means the tenant's default channels; an empty list means none at all.
    """

    muted: bool = False
    channels: Annotated[tuple[UUID, ...], Field(max_length=200)] | None = None
    event_types: EventTypes = EventTypes()
    min_severity: SeveritySetting | None = None
    choices: Annotated[tuple[Choice, ...], Field(max_length=CHOICES), AfterValidator(_unique)] = ()

    def choosing(self, choice: Choice) -> Self:
        """With this choice, which replaces one for the same event type and channel type."""
        others = (each for each in self.choices if _key(each) != _key(choice))
        return self.model_copy(update={"choices": (*others, choice)})


def unwanted(
    preferences: Preferences, event_type: str, severity: Severity, channel_type: str
) -> Reason | None:
    """Why the user does not want such an event through such a channel; None if they want it."""
    least = preferences.min_severity or Severity.INFO
    if preferences.muted:
        return Reason.MUTED
    if not _is_chosen(preferences, event_type, channel_type):
        return Reason.EVENT_TYPE_EXCLUDED
    return Reason.BELOW_MIN_SEVERITY if severity.rank > least.rank else None


def targets(preferences: Preferences | None, channels: Iterable[Listed]) -> list[UUID]:
    """The channels that the user chose, which may no longer exist; else the default channels."""
    mine = preferences.channels if preferences else None
    if mine is not None:
        return list(dict.fromkeys(mine))
    return [channel["id"] for channel in channels if channel["is_default"]]


def _is_chosen(preferences: Preferences, event_type: str, channel_type: str) -> bool:
    include, exclude = preferences.event_types.include, preferences.event_types.exclude
    choices = {
        each.event_type: each.enabled
        for each in preferences.choices
        if each.channel_type == channel_type
    }
    pattern = closest(choices, event_type)
    if pattern is not None:
        return choices[pattern]
    included = not include or _matches(include, event_type)
    return included and not _matches(exclude, event_type)


def _matches(patterns: Iterable[str], event_type: str) -> bool:
    return any(fits(pattern, event_type) for pattern in patterns)
