"""What every request can reach: the database, the object store, Temporal, the settings, the vault,
and what the operator lets tenants call."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from temporalio.client import Client

from channels.address import Policy
from settings import Settings
from storage.database import Database
from storage.objects import ObjectStore
from storage.secrets import Vault


@dataclass(frozen=True, slots=True)
class Context:
    database: Database
    store: ObjectStore
    temporal: Client
    settings: Settings
    vault: Vault
    policy: Policy


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


InContext = Annotated[Context, Depends(_context)]
