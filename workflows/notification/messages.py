"""What the workflow of a notification request and its activities tell each other."""

from domain.tenant import TenantIdField
from workflows.payload import Payload


class RequestRef(Payload):
    """A request of one or more notifications, accepted together, of which tenant."""

    tenant_id: TenantIdField
    request_id: str


class LaneState(Payload):
    """What an integration still has open of a request, and in how many seconds to look again.

    Without `wait` it stands still until somebody wakes it, or until it expires.
    """

    integration_id: str
    open: int
    wait: float | None = None
    type: str = "integration"  # the integration's, for the reader of the history


class Opened(Payload):
    """A request that has been routed: its deliveries, and the lanes that are not done."""

    deliveries: int
    lanes: tuple[LaneState, ...]


class DeliverInput(Payload):
    """One round of a lane; `round` counts from 1 and is for the reader of the history."""

    request: RequestRef
    integration_id: str
    round: int


class NotificationInput(Payload):
    """`lanes` is what an earlier run of this workflow left open."""

    request: RequestRef
    lanes: tuple[LaneState, ...] = ()
    deliveries: int = 0


class Notified(Payload):
    """Every delivery came to its end; each one's own is in its row."""

    deliveries: int
