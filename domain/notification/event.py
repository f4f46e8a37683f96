"""An event of the platform, and what follows from it by rule: severity, action, keys."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self, TypedDict
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from domain.json_document import Json
from domain.notification.event_type import folded
from domain.notification.severity import Severity as Severity  # other code imports it from here
from domain.notification.severity import understood
from domain.storable import JsonObject, Text, at_most, bounded, storable

TITLE_CHARS, BODY_CHARS = 1_000, 100_000
METADATA_BYTES, USER_BYTES = 16 * 2**10, 4 * 2**10


class Action(StrEnum):
    """What an event does to the alert that it belongs to, where the vendor has alerts."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


def _null_as(empty: Any, taken: Any) -> BeforeValidator:
    """Reads null as `empty`; `taken` is the type that the API's schema shows."""
    return BeforeValidator(
        lambda value: empty if value is None else value, json_schema_input_type=taken
    )


def _in_utc(time: datetime) -> datetime:
    """The time in UTC. Raises ValueError where it is not within the years 1 to 9999."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time of the years 1 to 9999 in UTC is needed") from None


class _Body(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class User(_Body):
    """The user whom an event is for; their preferences decide the channels. Members with other
    names are stored with the event and have no effect."""

    model_config = ConfigDict(extra="allow")

    id: Text = Field(min_length=1, max_length=200)
    email: Text | None = Field(None, max_length=2_000)  # its delivery reports an invalid one
    name: Text | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _bound_rest(self) -> Self:
        if self.model_extra:
            bounded(storable(self.model_extra), USER_BYTES)
        return self


class Event(_Body):
    """What happened, as the platform tells it: `POST /v1/notifications`.

    `id` is the platform's own id, which is only stored; `dedupKey` is what makes an event count as
    a repetition. `userId` is short for a `user` with nothing but an id.
    """

    id: Text | None = Field(None, min_length=1, max_length=200)
    event_type: Text = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.:-]+$")
    title: Text = Field(min_length=1, max_length=TITLE_CHARS)
    body: Annotated[Text, _null_as("", str | None)] = Field("", max_length=BODY_CHARS)
    entity_type: Text | None = Field(None, min_length=1, max_length=100)
    entity_id: Text | None = Field(None, min_length=1, max_length=100)
    metadata: Annotated[JsonObject, at_most(METADATA_BYTES), _null_as({}, Json | None)] = Field(
        default_factory=dict
    )
    user: User | None = None
    user_id: Text | None = Field(None, min_length=1, max_length=200)
    dedup_key: Text | None = Field(None, min_length=1, max_length=255)
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None

    @field_validator("user_id")
    @classmethod
    def _one_user(cls, id: str | None, info: ValidationInfo) -> str | None:
        user = info.data.get("user")
        if id is not None and user is not None and user.id != id:
            raise ValueError("names another user than user.id: leave one of them out")
        return id

    @property
    def addressee(self) -> User | None:
        """The user whom the event is for, by `user` or by `userId`; None if it names none."""
        return self.user or (User(id=self.user_id) if self.user_id else None)


class StoredEvent(TypedDict):
    """An event in the database, with the columns that messages are made from; `recipient` is its
    user."""

    id: UUID
    event_type: str
    title: str
    body: str
    entity_type: str | None
    entity_id: str | None
    metadata: Json
    recipient: Json | None
    created_at: datetime


# The severity that a word in the event type implies, where the metadata state none.
_BY_NAME = (
    (("critical", "sla.breached"), Severity.CRITICAL),
    (("error", "failed"), Severity.ERROR),
    (("warning",), Severity.WARNING),
)
_ACTIONS = {
    "resolved": Action.RESOLVE,
    "closed": Action.RESOLVE,
    "acknowledged": Action.ACKNOWLEDGE,
}


def stated_severity(event_type: str, metadata: Json) -> Severity | None:
    """The event's own severity: `metadata.severity` first, then its type; None if neither says."""
    stated = understood(metadata.get("severity"))
    if stated is not None:
        return stated
    name = folded(event_type)
    return next((level for words, level in _BY_NAME if any(word in name for word in words)), None)


def action(event_type: str) -> Action:
    """`….resolved` and `….closed` resolve, `….acknowledged` acknowledges, all else triggers."""
    return _ACTIONS.get(folded(event_type).rpartition(".")[2], Action.TRIGGER)


def alert_key(notification_id: str, entity_type: str | None, entity_id: str | None) -> str:
    """The key by which a vendor joins an alert's trigger, acknowledgement and resolution."""
    return f"{entity_type}_{entity_id}" if entity_type and entity_id else notification_id


def deadline(created_at: datetime, expires_at: datetime | None, latest: datetime) -> datetime:
    """When a delivery is given up: when its event expires, but not before the event was made
    (`created_at`), and never after `latest`."""
    return latest if expires_at is None else max(created_at, min(expires_at, latest))
