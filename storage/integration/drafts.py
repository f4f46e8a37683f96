"""Drafts: integrations that are tested before they are saved; removed when the test has ended."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from storage.integration.tables import integration_drafts as drafts
from storage.postgres.rows import find_row, remove_row


class NewDraft(TypedDict):
    """A draft before it is stored; `credentials` holds the secrets sealed by the vault."""

    id: UUID
    type: str
    config: Json
    credentials: str | None


class Draft(NewDraft):
    """A row of integration_drafts."""

    created_at: datetime


_FORGOTTEN = text("created_at < now() - interval '1 hour'")


async def create(connection: AsyncConnection, draft: NewDraft) -> None:
    """Store a draft for its test. Drafts older than an hour, whose test never ran, are removed."""
    await connection.execute(delete(drafts).where(_FORGOTTEN))
    await connection.execute(insert(drafts).values(draft))


async def find(connection: AsyncConnection, id: UUID) -> Draft | None:
    return await find_row(connection, Draft, drafts, id)


async def remove(connection: AsyncConnection, id: UUID) -> None:
    await remove_row(connection, drafts, id)
