"""Preferences: what the users who have chosen want to be told."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.preference import Preferences
from storage.notification_tables import notification_preferences as preferences


async def put(connection: AsyncConnection, user_id: str, chosen: Preferences) -> datetime:
    """Replace the user's choice; when that was."""
    values = {"preferences": chosen.model_dump(mode="json", by_alias=True)}
    written = await connection.execute(
        insert(preferences)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values | {"updated_at": func.now()})
        .returning(preferences.c.updated_at)
    )
    at: datetime = written.scalar_one()
    return at


async def find(connection: AsyncConnection, user_id: str) -> tuple[Preferences, datetime] | None:
    """The user's choice and when it was made; None if there is none."""
    rows = await connection.execute(select(preferences).where(preferences.c.user_id == user_id))
    row = rows.one_or_none()
    return (Preferences.model_validate(row.preferences), row.updated_at) if row else None
