"""Mapping templates: named mappings that a tenant can reuse."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from domain.mapping.mapping import ImportMapping
from storage.migration.tables import migration_mappings as templates
from storage.postgres.rows import (
    Span,
    Values,
    create_row,
    find_page,
    find_row,
    remove_row,
    row_of,
)


class Template(TypedDict):
    """A row of migration_mappings."""

    id: UUID
    tenant_id: str
    name: str
    source_system: str
    target_entity: str
    mapping: Json
    created_by: str
    created_at: datetime
    updated_at: datetime


async def create(connection: AsyncConnection, tenant_id: str, values: Values) -> Template:
    """Create a template. Raises IntegrityError if the tenant has one of that name."""
    return await create_row(connection, Template, templates, {**values, "tenant_id": tenant_id})


async def replace(
    connection: AsyncConnection, template_id: UUID, values: Values
) -> Template | None:
    """Change a template; None if there is none. Raises IntegrityError if another has that name."""
    replaced = await connection.execute(
        update(templates)
        .where(templates.c.id == template_id)
        .values(**values, updated_at=func.now())
        .returning(templates)
    )
    return row_of(Template, replaced)


async def find(connection: AsyncConnection, template_id: UUID) -> Template | None:
    return await find_row(connection, Template, templates, template_id)


async def page(connection: AsyncConnection, limit: int, after: UUID | None) -> list[Template]:
    return await find_page(connection, Template, templates, Span(limit, after))


async def remove(connection: AsyncConnection, template_id: UUID) -> bool:
    return await remove_row(connection, templates, template_id)


def mapping_of(template: Template) -> ImportMapping:
    return ImportMapping.model_validate(template["mapping"])
