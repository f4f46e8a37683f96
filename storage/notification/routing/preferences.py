"""Preferences: which notifications users want, and where; only users who made a choice have any."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notification.preference import Preferences
from storage.notification.tables import notification_preferences as preferences


async def put(connection: AsyncConnection, user_id: str, chosen: Preferences) -> datetime:
    """Replace the user's choice; returns the time of the change."""
    values = {"preferences": chosen.model_dump(mode="json", by_alias=True)}
    written = await connection.execute(
        insert(preferences)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values | {"updated_at": func.now()})
        .returning(preferences.c.updated_at)
    )
    at: datetime = written.scalar_one()
    return at


async def lock(connection: AsyncConnection, user_id: str) -> Preferences:
    """The user's choice (an empty one if there was none), locked until the transaction ends."""
    values = {"user_id": user_id, "preferences": Preferences().model_dump(by_alias=True)}
    await connection.execute(insert(preferences).values(values).on_conflict_do_nothing())
    query = select(preferences.c.preferences).where(preferences.c.user_id == user_id)
    return Preferences.model_validate(await connection.scalar(query.with_for_update()))


async def find(connection: AsyncConnection, user_id: str) -> tuple[Preferences, datetime] | None:
    """The user's choice and when it was made; None if there is none."""
    rows = await connection.execute(select(preferences).where(preferences.c.user_id == user_id))
    row = rows.one_or_none()
    return (Preferences.model_validate(row.preferences), row.updated_at) if row else None


async def naming(connection: AsyncConnection, channel_id: UUID) -> list[str]:
    """The users who have chosen the channel; their choices are locked until the transaction
    ends."""
    chosen = preferences.c.preferences["channels"].has_key(str(channel_id))
    query = select(preferences.c.user_id).where(chosen).order_by(preferences.c.user_id)
    return [*(await connection.scalars(query.with_for_update()))]


async def drop_channel(connection: AsyncConnection, user_id: str, channel_id: UUID) -> None:
    """Take a channel out of the user's choice. If it was the only one, the default channels apply
    again: an empty choice would mean no notifications at all, which the user did not choose."""
    found = await find(connection, user_id)
    if found is not None:
        chosen = found[0]
        others = tuple(each for each in chosen.channels or () if each != channel_id)
        await put(connection, user_id, chosen.model_copy(update={"channels": others or None}))
