"""Fixtures for tests of rotation."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from embedded.files import kept_keyring
from storage.postgres.database import Database
from storage.secrets.key_check import open_vault
from storage.secrets.key_file import KeyFile
from storage.tenancy import tenants
from storage.tenancy.provisioning import upgrade
from tests.storage.kept import Kept
from tests.storage.notification.due import Due


@pytest.fixture
async def kept(fresh_database: str, tmp_path: Path) -> AsyncIterator[Kept]:
    database = Database(fresh_database, pool_size=3)
    await upgrade(database)
    async with database.owner() as connection:
        made = [(await tenants.create(connection, slug, slug))[0].id for slug in ("one", "two")]
    file = KeyFile(kept_keyring(tmp_path / "keyring"))
    vault = await open_vault(database, file.path)
    yield Kept(database, fresh_database, file, made, vault)
    await database.close()


@pytest.fixture
async def due(kept: Kept) -> AsyncIterator[Due]:
    database = Database(kept.dsn, pool_size=8)
    yield await Due.of(database, kept.tenants[0])
    await database.close()
