"""A batch: deliveries that are claimed together and sent together."""

from dataclasses import dataclass
from uuid import UUID

from activities.integration.target import Target
from domain.integration.stored import SendingIntegration
from domain.tenant import TenantId
from storage.notification.claimed import Claimed
from workflows.notification import messages as m


@dataclass(frozen=True, slots=True)
class LaneKey:
    """Names a lane: the deliveries of one request that go through one integration."""

    tenant_id: TenantId
    request_id: UUID
    integration_id: UUID


@dataclass(slots=True)
class ClaimedBatch:
    """Deliveries that were claimed together; up to `granted` of them may be sent at a time.

    The limiter counts `granted` sends as in flight until they are released. `is_full`: more
    deliveries may be due.
    """

    key: LaneKey
    integration: SendingIntegration
    target: Target
    granted: int
    claimed: list[Claimed]
    is_full: bool = False


Found = ClaimedBatch | m.LaneState  # something to send, or when to look again
