"""The context of every request: connections to servers, settings, and the egress policy."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from temporalio.client import Client

from egress.policy import Policy
from settings import Settings
from storage.objects.store import ObjectStore
from storage.postgres.database import Database
from storage.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class Context:
    """What requests share.

    `vault` encrypts secrets. `policy` says which addresses may be called for tenants. `closing` is
    set when the process is about to stop, so that long requests end early.
    """

    database: Database
    store: ObjectStore
    temporal: Client
    settings: Settings
    vault: Vault
    policy: Policy
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, seconds: float) -> bool:
        """Wait for some seconds, or until the process is about to stop: True in that case."""
        try:
            async with asyncio.timeout(seconds):
                return await self.closing.wait()
        except TimeoutError:
            return False


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


InContext = Annotated[Context, Depends(_context)]
