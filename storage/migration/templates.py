"""Mapping templates: named mappings that a tenant uses again."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.mapping.mapping import Mapping
from storage.migration.tables import migration_mappings as templates
from storage.postgres.rows import create_row, find_row, page_of, remove_row

Template = dict[str, Any]  # a row of migration_mappings


async def create(connection: AsyncConnection, tenant_id: str, values: Template) -> Template:
    """Raises IntegrityError if the tenant has a template of that name."""
    return await create_row(connection, templates, values | {"tenant_id": tenant_id})


async def replace(
    connection: AsyncConnection, template_id: UUID, values: Template
) -> Template | None:
    """Raises IntegrityError if another template has that name."""
    row = await connection.execute(
        update(templates)
        .where(templates.c.id == template_id)
        .values(**values, updated_at=func.now())
        .returning(templates)
    )
    found = row.one_or_none()
    return dict(found._mapping) if found else None


async def find(connection: AsyncConnection, template_id: UUID) -> Template | None:
    return await find_row(connection, templates, template_id)


async def page(connection: AsyncConnection, limit: int, after: UUID | None) -> list[Template]:
    return await page_of(connection, templates, limit, after)


async def remove(connection: AsyncConnection, template_id: UUID) -> bool:
    return await remove_row(connection, templates, template_id)


def mapping_of(template: Template) -> Mapping:
    return Mapping.model_validate(template["mapping"])
