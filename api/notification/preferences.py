"""Endpoints of preferences: of what a FireLater user wants to be notified, and through which
channels."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from api.audit import note
from api.auth import Operator, Reader
from api.context import InContext
from api.errors import ApiError
from domain.json_document import Json
from domain.notification.preference import CHOICES, ChannelType, Choice, Pattern, Preferences
from domain.storable import Text
from storage.notification.routing import channels as channel
from storage.notification.routing import preferences as preference

router = APIRouter(prefix="/v1/notification-preferences", tags=["notification preferences"])

UserId = Annotated[Text, Path(min_length=1, max_length=200)]


class Enabled(BaseModel):
    """Whether the user is notified of such events through channels of this type."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The path parameters that name one choice of one user."""

    user_id: UserId
    event_type: Annotated[Pattern, Path()]
    channel_type: Annotated[ChannelType, Path()]


@router.get("/{user_id}")
async def get_preferences(user_id: UserId, context: InContext, caller: Reader) -> Json:
    """Read a user's notification preferences.

    Needs a key of the role admin, operator or viewer. `user_id` is the id that events name as
    `user.id`. A user without preferences is answered with the defaults, and `updatedAt` null.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = await preference.find(connection, user_id)
    return _to_response(user_id, *(found or (Preferences(), None)))


@router.put("/{user_id}")
async def replace_preferences(
    user_id: UserId, body: Preferences, context: InContext, caller: Operator
) -> Json:
    """Replace a user's notification preferences as a whole.

    Needs a key of the role admin or operator. The new preferences hold for events that are routed
    from now on. Answers the preferences. 422 `unknown_channel` if `channels` has the id of no
    notification channel of the tenant; 422 `invalid_request` for any other fault.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        await _check_channels(connection, body)
        at = await preference.put(connection, user_id, body)
        await note(connection, caller, "update", "notification_preferences", user_id)
    return _to_response(user_id, body, at)


@router.put("/{user_id}/{event_type}/{channel_type}")
async def choose(
    row: Annotated[Row, Depends()], body: Enabled, context: InContext, caller: Operator
) -> Json:
    """Choose whether a user is notified of one event type through one channel type.

    Needs a key of the role admin or operator. The event type may end in `.*`: `incident.*` stands
    for all event types below `incident`. The user's other preferences stay as they are. Answers all
    preferences of the user. 422 `too_many_choices` if the user would have more than 1,000.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        before = await preference.lock(connection, row.user_id)
        choice = Choice(
            event_type=row.event_type, channel_type=row.channel_type, enabled=body.enabled
        )
        chosen = before.choosing(choice)
        if len(chosen.choices) > CHOICES:
            detail = f"a user may have {CHOICES:,} choices at most: replace them all with fewer"
            raise ApiError("too_many_choices", detail, limit=CHOICES)
        at = await preference.put(connection, row.user_id, chosen)
        await note(connection, caller, "update", "notification_preferences", row.user_id)
    return _to_response(row.user_id, chosen, at)


async def _check_channels(connection: AsyncConnection, chosen: Preferences) -> None:
    """Raises ApiError 422 that points at each id that is no notification channel of the tenant."""
    ids = chosen.channels or ()
    known = await channel.known(connection, set(ids))
    errors = [
        {"pointer": f"/channels/{place}", "detail": "there is no such notification channel"}
        for place, id in enumerate(ids)
        if id not in known
    ]
    if errors:
        raise ApiError("unknown_channel", "some of the channels do not exist", errors=errors)


def _to_response(user_id: str, chosen: Preferences, at: datetime | None) -> Json:
    shown = chosen.model_dump(mode="json", by_alias=True)
    return {"data": {"userId": user_id, **shown, "updatedAt": at}}
