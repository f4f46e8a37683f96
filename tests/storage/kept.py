"""A database with sealed secrets, the ring they are under, and the command that changes it."""

import secrets as random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

import storage
from domain.tenant import TenantId
from storage.integration.tables import integrations
from storage.postgres.database import Database
from storage.secrets.key_file import KeyFile
from storage.secrets.vault import Vault

ROOT = Path(storage.__file__).parents[1]
SECRETS = {"botToken": "xoxb-canary", "headers": {"X-Key": "canary"}}  # and "n", the row's id


def run(module: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the service to its end."""
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """A database with two tenants whose integrations have secrets, and the ring they are under."""

    database: Database
    dsn: str
    file: KeyFile
    tenants: list[TenantId]
    vault: Vault

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.dsn, "SECRETS_KEYRING_FILE": str(self.file.path)}

    async def add(self, tenant_id: TenantId, count: int = 1) -> list[UUID]:
        async with self.database.tenant(tenant_id) as connection:
            ids = [UUID(int=random.randbits(128)) for _ in range(count)]
            rows = [
                {
                    "id": id,
                    "name": str(id),
                    "type": "slack",
                    "created_by": "test",
                    "credentials": self.vault.seal(tenant_id, id, SECRETS | {"n": str(id)}),
                }
                for id in ids
            ]
            await connection.execute(insert(integrations), rows)
        return ids

    async def rows(self, table: Any = integrations) -> list[Any]:
        """(tenant, id, credentials) of all."""
        found = []
        for tenant_id in self.tenants:
            async with self.database.tenant(tenant_id) as connection:
                for row in await connection.execute(select(table)):
                    found.append((tenant_id, row.id, row.credentials))
        return found

    async def put(self, tenant_id: TenantId, id: UUID, credentials: str | None) -> None:
        async with self.database.tenant(tenant_id) as connection:
            of_row = update(integrations).where(integrations.c.id == id)
            await connection.execute(of_row.values(credentials=credentials))

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The command as an operator gives it."""
        return run("cli", "secrets", *words, **(self.environment | more))
