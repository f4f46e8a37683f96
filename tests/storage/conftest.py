"""Fixtures for tests of rotation."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.tenant import TenantId
from embedded.files import kept_keyring
from storage.postgres.database import Database
from storage.secrets.key_check import open_vault
from storage.secrets.key_file import KeyFile
from storage.tenancy import tenants
from storage.tenancy.provisioning import upgrade
from tests.servers import new_database
from tests.storage.kept import Kept
from tests.storage.notification.due import Due


@pytest.fixture(scope="session")
async def two_tenants(postgres_dsn: str) -> AsyncIterator[tuple[str, list[TenantId]]]:
    """The DSN of a database with two tenants, to be copied (it takes a second to make), and their
    ids."""
    async with new_database(postgres_dsn) as dsn:
        database = Database(dsn, pool_size=1)
        await upgrade(database)
        async with database.owner() as connection:
            made = [(await tenants.create(connection, slug, slug))[0].id for slug in ("one", "two")]
        await database.close()
        yield dsn, made


@pytest.fixture
async def kept(
    postgres_dsn: str, two_tenants: tuple[str, list[TenantId]], tmp_path: Path
) -> AsyncIterator[Kept]:
    template, ids = two_tenants
    async with new_database(postgres_dsn, template) as dsn:
        database = Database(dsn, pool_size=3)
        file = KeyFile(kept_keyring(tmp_path / "keyring"))
        vault = await open_vault(database, file.path)
        yield Kept(database, dsn, file, [*ids], vault)
        await database.close()


@pytest.fixture
async def due(kept: Kept) -> AsyncIterator[Due]:
    database = Database(kept.dsn, pool_size=8)
    yield await Due.of(database, kept.tenants[0])
    await database.close()
