"""Migrates the database to the schema of this version: shared tables, then each tenant's schema."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.tenant import TenantId
from settings import settings
from storage.postgres.database import APP_ROLE, Database
from storage.private_file import write_private
from storage.tenancy.api_keys import create_platform_key

# The bytes "FLMI". The advisory lock allows one upgrade at a time: Alembic keeps its connection in
# a module, so two upgrades in one process would use each other's.
_LOCK = 0x46_4C_4D_49


def _upgrade(connection: Connection, scope: str, schema: str) -> None:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", "storage:alembic")
    config.set_main_option("version_locations", str(Path(__file__).parents[1] / "alembic" / scope))
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, "head")


async def upgrade_alone(connection: AsyncConnection) -> None:
    """Wait until no other upgrade runs, and keep others out until the transaction ends.

    To be called before the transaction writes to a shared table. Otherwise it could wait for an
    upgrade that waits for this table: a deadlock.
    """
    await connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))


async def upgrade_tenant(connection: AsyncConnection, tenant_id: TenantId) -> None:
    """Create or upgrade one tenant's schema in the given transaction, which has called
    `upgrade_alone`."""
    schema = tenant_id.schema
    await connection.execute(text(f"create schema if not exists {schema}"))
    await connection.execute(text(f"set local search_path to {schema}, pg_catalog"))
    await connection.run_sync(_upgrade, "tenant", schema)
    await connection.execute(text("set local search_path to default"))
    await connection.execute(text(f"grant usage on schema {schema} to {APP_ROLE}"))
    await connection.execute(
        text(f"grant select, insert, update, delete on all tables in schema {schema} to {APP_ROLE}")
    )


async def upgrade(database: Database) -> None:
    """Apply the shared migrations, then each tenant's in a transaction of its own."""
    async with database.owner() as connection:
        await upgrade_alone(connection)
        await connection.run_sync(_upgrade, "shared", "public")
        tenants = (await connection.scalars(text("select id from public.tenants"))).all()
    for tenant_id in tenants:
        async with database.owner() as connection:
            await upgrade_alone(connection)
            await upgrade_tenant(connection, TenantId(tenant_id))


async def prepare(database_url: str, admin_key_file: Path) -> None:
    """Migrate the database, and write the platform's admin key to the file (mode 0600) if that does
    not exist. Raises RuntimeError if PostgreSQL is too old."""
    database = Database(database_url, pool_size=1)
    try:
        await upgrade(database)
        if not await asyncio.to_thread(admin_key_file.exists):
            write_private(admin_key_file, await create_platform_key(database) + "\n")
        await database.ping()
    finally:
        await database.close()


if __name__ == "__main__":
    chosen = settings()
    asyncio.run(prepare(chosen.database_dsn, chosen.admin_key_file))
