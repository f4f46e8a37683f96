"""The connections and shared resources of activities: one set for a whole worker process."""

from dataclasses import dataclass, field

from activities.memory import PROCESS_BYTES, Memory, available, divided
from egress.client import Egress
from storage.objects.store import ObjectStore
from storage.postgres.database import Database
from storage.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class Connections:
    """Servers, secrets and memory budgets that all activities of a worker share. `public_url` is
    where people reach this service, if it is known."""

    database: Database
    store: ObjectStore
    vault: Vault
    egress: Egress
    public_url: str | None = None
    memory: Memory = field(default_factory=lambda: divided(available(), PROCESS_BYTES))
