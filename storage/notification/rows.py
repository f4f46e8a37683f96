"""What the queries of deliveries find: the types of their rows."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from domain.json_document import Json


class Delivery(TypedDict):
    """A row of notification_deliveries."""

    id: UUID
    notification_id: UUID
    request_id: UUID
    channel_id: UUID | None
    channel_type: str | None
    recipient: str
    integration_id: UUID | None
    options: Json
    destination: str
    alert_key: str | None
    action: str | None
    status: str
    rank: int
    attempts: int
    failures: int
    throttles: int
    doubts: int
    lease_until: datetime | None
    next_attempt_at: datetime | None
    deadline_at: datetime | None
    last_class: str | None
    last_error: str | None
    reason: str | None
    reference: dict[str, str] | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class WaitingDelivery(Delivery):
    """A delivery with what it may wait for: whether its integration `is_on`, None if there is none
    any more; its destination's `rests_until`, if that is to come, and `probe_at`."""

    is_on: bool | None
    rests_until: datetime | None
    probe_at: datetime | None


# A row of delivery_attempts; `class` is no name in Python.
Attempt = TypedDict(
    "Attempt",
    {
        "delivery_id": UUID,
        "no": int,
        "started_at": datetime,
        "completed_at": datetime | None,
        "worker": str,
        "class": str | None,
        "maybe_sent": bool | None,
        "status_code": int | None,
        "latency_ms": int | None,
        "request": Json | None,
        "response": str | None,
        "error": str | None,
        "next_attempt_at": datetime | None,
    },
)


class Lane(TypedDict):
    """What a request has open with an integration; `wait`: seconds until something of it is due."""

    integration_id: UUID
    type: str | None
    open: int
    wait: float | None


class Turn(TypedDict):
    """What a due delivery waits for, in seconds. `ahead`: how many go before it; `busy` and
    `probe` are its destination's, `trigger` that of the event which it acknowledges."""

    ahead: int
    busy: float | None
    probe: float | None
    age: float
    blocked: bool
    trigger: float | None
