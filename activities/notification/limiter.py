"""Isolation: how many sends a worker has in flight, by integration and by tenant.

An endpoint that hangs may hold its own sends, and nothing else: who finds no send free goes away
and comes back later, so no activity slot waits for anybody's server but its own.
"""

from collections import Counter
from uuid import UUID

TENANT_SENDS = 64
PROBE_AFTER = 5  # time-outs in a row, after which one send at a time probes


class ConcurrencyLimiter:
    """One worker process's count; asyncio only, so nothing is locked."""

    def __init__(self) -> None:
        self._integrations: Counter[UUID] = Counter()
        self._tenants: Counter[str] = Counter()
        self._timeouts: Counter[UUID] = Counter()

    def acquire(self, tenant: str, integration: UUID, cap: int) -> int:
        """Take as many sends as are free, perhaps none; `release` gives them back."""
        granted = self._free(tenant, integration, cap)
        self._integrations[integration] += granted
        self._tenants[tenant] += granted
        return granted

    def release(self, tenant: str, integration: UUID, granted: int) -> None:
        self._integrations[integration] -= granted
        self._tenants[tenant] -= granted

    def _free(self, tenant: str, integration: UUID, cap: int) -> int:
        allowed = 1 if self.is_probing(integration) else cap
        free = min(allowed - self._integrations[integration], TENANT_SENDS - self._tenants[tenant])
        return max(free, 0)

    def is_probing(self, integration: UUID) -> bool:
        """Whether the endpoint has timed out so often that it is only tried now and then."""
        return self._timeouts[integration] >= PROBE_AFTER

    def is_crowded(self, tenant: str) -> bool:
        """Whether the tenant has as many sends in flight as it may, through whatever it is."""
        return self._tenants[tenant] >= TENANT_SENDS

    def note(self, integration: UUID, *, timed_out: bool) -> None:
        """How a send ended: any answer at all ends the probing."""
        self._timeouts[integration] = self._timeouts[integration] + 1 if timed_out else 0
