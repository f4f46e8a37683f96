"""Upgrades of the schema beside a service that goes on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from storage.postgres import database as database_module
from storage.postgres.database import Database
from storage.tenancy import provisioning, tenants
from tests.storage.kept import Kept

# Like a later version's migration: it waits for all writers of the table that it refers to.
_NEXT = "create table public.next_release (tenant_id text references public.tenants)"


async def test_a_tenant_can_be_made_while_the_shared_tables_are_upgraded(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, begun = Database(kept.dsn, pool_size=6), asyncio.Event()
    upgrade: Any = provisioning._upgrade

    def upgrade_further(connection: Connection, scope: str, schema: str) -> None:
        upgrade(connection, scope, schema)
        if scope == "shared":
            begun.set()
            connection.execute(text("select pg_sleep(0.5)"))  # in which the tenant is begun
            connection.execute(text(_NEXT))

    async def create() -> str:
        await begun.wait()
        async with database.owner() as connection:
            made, _ = await tenants.create(connection, "meanwhile", "Meanwhile")
            return made.slug

    monkeypatch.setattr(provisioning, "_upgrade", upgrade_further)
    _, slug = await asyncio.gather(provisioning.upgrade(database), create())
    assert slug == "meanwhile"
    await database.close()


async def test_an_old_server_is_refused_before_anything_is_changed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else its first migration would fail, for want of the function `uuidv7`."""
    upgraded: list[Database] = []

    async def upgrade(database: Database) -> None:
        upgraded.append(database)

    monkeypatch.setattr(provisioning, "upgrade", upgrade)
    monkeypatch.setattr(database_module, "OLDEST_SERVER", 10**6)
    with pytest.raises(RuntimeError, match="PostgreSQL 18 or newer is needed"):
        await provisioning.prepare(kept.dsn, tmp_path / "admin.key")
    assert upgraded == []
    assert not (tmp_path / "admin.key").exists()
