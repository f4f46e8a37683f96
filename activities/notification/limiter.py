"""Limits how many sends a worker has in flight, per integration and per tenant.

An endpoint that hangs holds up its own integration, and at most its own tenant. A lane that is
granted no send comes back later, so that no activity slot waits for another integration's server.
"""

from collections import Counter
from uuid import UUID

TENANT_SENDS_PER_WORKER = 64
CROWDED_SECONDS = 0.1  # about how long a tenant with all its sends in flight waits for the next
PROBE_AFTER = 5  # timeouts in a row, after which an endpoint gets one send at a time


class ConcurrencyLimiter:
    """The counts of one worker process. Only its event loop uses them, so there is no lock."""

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
        free = min(
            allowed - self._integrations[integration],
            TENANT_SENDS_PER_WORKER - self._tenants[tenant],
        )
        return max(free, 0)

    def is_probing(self, integration: UUID) -> bool:
        """Whether the endpoint has timed out so often that it gets one send at a time."""
        return self._timeouts[integration] >= PROBE_AFTER

    def is_crowded(self, tenant: str) -> bool:
        """Whether the tenant has as many sends in flight as it may, over all its integrations."""
        return self._tenants[tenant] >= TENANT_SENDS_PER_WORKER

    def note(self, integration: UUID, *, timed_out: bool) -> None:
        """Count a timeout. A send that ends in any other way resets the count, and so ends the
        probing."""
        self._timeouts[integration] = self._timeouts[integration] + 1 if timed_out else 0
