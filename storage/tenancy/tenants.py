"""Tenants: each has a row in public.tenants and a schema of its own."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from domain.tenant import TenantId
from storage.postgres.database import Database
from storage.tenancy import api_keys
from storage.tenancy.provisioning import upgrade_alone, upgrade_tenant


class SlugTaken(Exception):
    """Another tenant has this slug; slugs are unique and never change."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A row of public.tenants; `slug` begins the keys of the tenant's stored objects."""

    id: TenantId
    slug: str
    name: str


async def create(connection: AsyncConnection, slug: str, name: str) -> tuple[Tenant, str]:
    """Create a tenant, its schema and its first admin key (returned) in the owner's transaction.
    Raises SlugTaken; the transaction cannot go on then."""
    tenant = Tenant(TenantId(str(ULID()).lower()), slug, name)
    await upgrade_alone(connection)
    try:
        await connection.execute(
            text("insert into public.tenants (id, slug, name) values (:id, :slug, :name)"),
            {"id": tenant.id, "slug": slug, "name": name},
        )
    except IntegrityError as error:
        raise SlugTaken(slug) from error
    await upgrade_tenant(connection, tenant.id)
    _, key = await api_keys.create(connection, tenant.id, "admin", "first key")
    return tenant, key


async def every(database: Database) -> list[Tenant]:
    """All tenants, for background work that goes through them one by one."""
    async with database.owner() as connection:
        rows = await connection.execute(
            text("select id, slug, name from public.tenants order by id")
        )
        return [Tenant(TenantId(row.id), row.slug, row.name) for row in rows]
