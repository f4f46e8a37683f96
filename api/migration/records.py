"""Records over HTTP: read back what was imported."""

from uuid import UUID

from fastapi import APIRouter

from api.auth import Reader
from api.context import InContext
from api.errors import not_found, require_found
from api.page import InPage
from domain.json_document import Json
from domain.mapping.entities.registry import ENTITIES
from storage.migration import records as record

router = APIRouter(prefix="/v1/records", tags=["records"])


@router.get("/{entity_type}")
async def list_records(
    entity_type: str,
    context: InContext,
    caller: Reader,
    page: InPage,
    source_id: str | None = None,
    external_id: str | None = None,
    job: UUID | None = None,
) -> Json:
    """The tenant's records of a type, in the order they were imported."""
    _known(entity_type)
    given = {"source_id": source_id, "external_id": external_id, "migration_job_id": job}
    filters = {name: value for name, value in given.items() if value is not None}
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await record.page(connection, entity_type, filters, page.wanted, page.after)
    return page.answer(rows, [_to_response(row) for row in rows])


@router.get("/{entity_type}/{record_id}")
async def get_record(entity_type: str, record_id: UUID, context: InContext, caller: Reader) -> Json:
    _known(entity_type)
    async with context.database.tenant(caller.tenant_id) as connection:
        row = require_found(await record.find(connection, entity_type, record_id), "record")
    return {"data": _to_response(row)}


def _known(entity_type: str) -> None:
    if entity_type not in ENTITIES:
        raise not_found("entity type")


def _to_response(row: record.Record) -> Json:
    # A 64-bit number does not survive JSON in a browser.
    return {
        **row,
        "content_hash": None if row["content_hash"] is None else str(row["content_hash"]),
    }
