"""The inputs and results of a notification request's workflow and its activities."""

from domain.tenant import TenantIdField
from workflows.payload import Payload


class RequestRef(Payload):
    """Names a request: one or more notifications of a tenant that were accepted together."""

    tenant_id: TenantIdField
    request_id: str


class LaneState(Payload):
    """How many deliveries of a request an integration still has open, and in how many seconds to
    look again.

    Without `wait` the lane stands still until somebody wakes it, but six hours at most.
    """

    integration_id: str
    open: int
    wait: float | None = None
    type: str = "integration"  # the integration's, for the reader of the history


class Opened(Payload):
    """A request that has been routed: how many deliveries it has, and the lanes that are open."""

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
    """All deliveries have ended; how each one did is in its row."""

    deliveries: int
