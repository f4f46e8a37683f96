"""What every request can reach: the database, the object store, Temporal, the settings, the vault,
and what the operator lets tenants call."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from temporalio.client import Client

from egress.address import Policy
from settings import Settings
from storage.objects.store import ObjectStore
from storage.postgres.database import Database
from storage.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class Context:
    """`closing` is set when the process is about to end: who waits for long stops then."""

    database: Database
    store: ObjectStore
    temporal: Client
    settings: Settings
    vault: Vault
    policy: Policy
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, seconds: float) -> bool:
        """Wait so long, or until the process is about to end: whether it is."""
        try:
            async with asyncio.timeout(seconds):
                return await self.closing.wait()
        except TimeoutError:
            return False


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


InContext = Annotated[Context, Depends(_context)]
