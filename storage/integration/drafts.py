"""Drafts: integrations that are tested before they are saved. They live as long as their test."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.integration.tables import integration_drafts as drafts
from storage.postgres.rows import find_row, remove_row

Draft = dict[str, Any]  # a row of integration_drafts

_FORGOTTEN = text("created_at < now() - interval '1 hour'")


async def create(connection: AsyncConnection, draft: Draft) -> None:
    """Keep it for its test; what a test that never ran has left behind is removed."""
    await connection.execute(delete(drafts).where(_FORGOTTEN))
    await connection.execute(insert(drafts).values(draft))


async def find(connection: AsyncConnection, id: UUID) -> Draft | None:
    return await find_row(connection, drafts, id)


async def remove(connection: AsyncConnection, id: UUID) -> None:
    await remove_row(connection, drafts, id)
