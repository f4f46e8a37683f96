"""What may be claimed of an integration's deliveries, and what a claim returns."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.json_document import Json
from domain.notification.alert import NOTHING_KNOWN, Existing
from domain.notification.event import StoredEvent
from domain.notification.message import Latest


@dataclass(frozen=True, slots=True)
class ClaimPolicy:
    """How deliveries of an integration may be claimed.

    `idempotent`: the vendor recognises a repeated delivery. `interval`: seconds between two sends
    to one destination; None without a rate. `stateful`: the vendor shows the state of an alert, so
    that an event which a later one replaces is not sent.
    """

    integration_id: UUID
    idempotent: bool
    interval: float | None
    worker: str
    stateful: bool = False
    tracked: bool = False


class Claimed(NamedTuple):
    """Attempt `no` of a delivery, claimed at `began`, to be sent at `at` (time.monotonic()) or
    later.

    `failures`, `throttles` and `doubts` count how earlier attempts ended. `repeated`: an earlier
    attempt may have arrived. `latest`: the newest event of the entity that the channel was told,
    if it is later than this one.
    """

    delivery_id: UUID
    request_id: UUID
    no: int
    failures: int
    options: Json
    destination: str
    notification: StoredEvent
    at: float
    began: datetime
    recipient: str = ""
    rank: int | None = None
    throttles: int = 0
    doubts: int = 0
    repeated: bool = False
    latest: Latest | None = None
    existing: Existing = NOTHING_KNOWN
