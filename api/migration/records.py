"""Endpoints of records: read back what was imported."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.auth import Reader
from api.context import InContext
from api.errors import not_found, require_found
from api.page import InPage
from domain.json_document import Json
from domain.mapping.entities.registry import ENTITIES
from storage.migration import records as record

router = APIRouter(prefix="/v1/records", tags=["records"])


class Filter:
    """Query parameters of the list; a record is listed if it has all of these values."""

    def __init__(
        self, source_id: str | None = None, external_id: str | None = None, job: UUID | None = None
    ) -> None:
        asked = {"source_id": source_id, "external_id": external_id, "migration_job_id": job}
        self.wanted = {name: value for name, value in asked.items() if value is not None}


@router.get("/{entity_type}")
async def list_records(
    entity_type: str,
    context: InContext,
    caller: Reader,
    page: InPage,
    only: Annotated[Filter, Depends()],
) -> Json:
    """List the tenant's records of one type, in the order in which they were imported.

    Needs a key of the role admin, operator or viewer. `source_id`, `external_id` and `job` (the id
    of a migration) list only the records that have exactly this value. Answers one page: up to
    `limit` records in `data`, and in `nextCursor` the `cursor` of the next page, or null on the
    last one. 404 if there is no such type; the types are those that can be imported.
    """
    _known(entity_type)
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await record.page(connection, entity_type, only.wanted, page.wanted, page.after)
    return page.answer(rows, [_to_response(row) for row in rows])


@router.get("/{entity_type}/{record_id}")
async def get_record(entity_type: str, record_id: UUID, context: InContext, caller: Reader) -> Json:
    """Read one record of the tenant by its id.

    Needs a key of the role admin, operator or viewer. Answers the record's fields, the fields of
    its source that were not mapped (`custom`), and the migration that imported it. 404 if there is
    no such type, or the tenant has no such record.
    """
    _known(entity_type)
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(await record.find(connection, entity_type, record_id), "record")
    return {"data": _to_response(row)}


def _known(entity_type: str) -> None:
    """Raises ApiError 404 if there is no such entity type."""
    if entity_type not in ENTITIES:
        raise not_found("entity type")


def _to_response(row: record.Record) -> Json:
    # Browsers read JSON numbers as doubles, which cannot hold every 64-bit integer.
    return {
        **row,
        "content_hash": None if row["content_hash"] is None else str(row["content_hash"]),
    }
