"""The types of the rows that queries of deliveries return."""

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
    """A delivery with what it may wait for. `is_on`: whether its integration is active; None if it
    was deleted. `rests_until` (None once past) and `probe_at` are its destination's."""

    is_on: bool | None
    rests_until: datetime | None
    probe_at: datetime | None


# A row of delivery_attempts. Functional syntax, as the column `class` is a keyword in Python.
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
    """What a request has open with an integration: `open` deliveries, and `wait`, the seconds until
    the first of them is due or reaches its deadline (None: all wait to be routed)."""

    integration_id: UUID
    type: str | None
    open: int
    wait: float | None


class Turn(TypedDict):
    """What a due delivery waits for; times in seconds.

    `ahead`: how many deliveries go before it. `busy` and `probe`: until its destination is free,
    and until it is probed. `age`: since the delivery was made. `blocked`: another event of its
    entity goes first. `trigger`: until the trigger that it acknowledges is due.
    """

    ahead: int
    busy: float | None
    probe: float | None
    age: float
    blocked: bool
    trigger: float | None
