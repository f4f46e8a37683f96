"""What activities work with: one of each for a whole worker."""

from dataclasses import dataclass, field

from activities.memory import PROCESS_BYTES, Memory, available, divided
from egress.client import Egress
from storage.objects.store import ObjectStore
from storage.postgres.database import Database
from storage.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class Connections:
    """What activities work with."""

    database: Database
    store: ObjectStore
    vault: Vault
    egress: Egress
    memory: Memory = field(default_factory=lambda: divided(available(), PROCESS_BYTES))
