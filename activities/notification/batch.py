"""What is claimed together, and sent together."""

from dataclasses import dataclass
from uuid import UUID

from activities.integration.target import Target
from domain.integration.stored import SendingIntegration
from domain.tenant import TenantId
from storage.notification.claims import Claimed
from workflows.notification import messages as m


@dataclass(frozen=True, slots=True)
class LaneKey:
    """One integration's part of a request: what a round of deliveries is about."""

    tenant_id: TenantId
    request_id: UUID
    integration_id: UUID


@dataclass(slots=True)
class ClaimedBatch:
    """Deliveries that were claimed together, as far as `granted` sends at a time are allowed.

    The limiter counts these sends as taken until they are released. `is_full`: there may be more
    that is due.
    """

    key: LaneKey
    integration: SendingIntegration
    target: Target
    granted: int
    claimed: list[Claimed]
    is_full: bool = False


Found = ClaimedBatch | m.LaneState  # something to send, or when to look again
