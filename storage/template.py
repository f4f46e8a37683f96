"""Mapping templates: named mappings that a tenant uses again."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.mapping import Mapping
from storage.tables import migration_mappings as templates

Template = dict[str, Any]  # a row of migration_mappings


async def create(connection: AsyncConnection, tenant_id: str, values: Template) -> Template:
    """Raises IntegrityError if the tenant has a template of that name."""
    row = await connection.execute(
        insert(templates).values(tenant_id=tenant_id, **values).returning(templates)
    )
    return dict(row.one()._mapping)


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
    row = await connection.execute(select(templates).where(templates.c.id == template_id))
    found = row.one_or_none()
    return dict(found._mapping) if found else None


async def page(connection: AsyncConnection, limit: int, after: UUID | None) -> list[Template]:
    query = select(templates).order_by(templates.c.id).limit(limit)
    if after is not None:
        query = query.where(templates.c.id > after)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def remove(connection: AsyncConnection, template_id: UUID) -> bool:
    gone = await connection.execute(
        delete(templates).where(templates.c.id == template_id).returning(templates.c.id)
    )
    return gone.one_or_none() is not None


def mapping_of(template: Template) -> Mapping:
    return Mapping.model_validate(template["mapping"])
