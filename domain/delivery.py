"""What can become of a delivery: one classification of every failure; the retry follows from it.

docs/delivery.md publishes the table; tests/conformance holds every channel to it.
"""

from dataclasses import dataclass
from enum import StrEnum


class DeliveryStatus(StrEnum):
    """`accepted`: the vendor took it and says no more; `delivered`: it confirmed the effect."""

    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.RETRYING})


class FailureClass(StrEnum):
    """Why an attempt failed, in the one way that decides what happens next."""

    PERMANENT = "permanent"  # the same request will be refused again
    MISCONFIGURED = "misconfigured"  # waits for a change of the integration, or the deadline
    THROTTLED = "throttled"  # too fast; not the delivery's fault, so it costs no retry
    TRANSIENT = "transient"  # tried again after a while
    BLOCKED = "blocked"  # the egress guard refused the address; tried again: names change
    UNKNOWN = "unknown"  # whoever sent it did not live to tell


@dataclass(frozen=True, slots=True)
class Failure:
    """`detail` is for people and holds no secret. `maybe_sent`: it may have had its effect.

    `retry_after` (seconds) is what the vendor asked for. `gone`: the vendor wants no more at all.
    `response` is the body that the vendor answered with, as far as it was read.
    """

    kind: FailureClass
    detail: str
    status: int | None = None
    retry_after: float | None = None
    maybe_sent: bool = False
    gone: bool = False
    response: str = ""


class DeliveryFailed(Exception):
    """An attempt failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.detail}")
        self.failure = failure


_TRANSIENT_STATUS = frozenset({408, 425})


def class_of_status(status: int) -> FailureClass:
    """The class of an HTTP status that does not mean success to its vendor."""
    if status == 429:
        return FailureClass.THROTTLED
    if status in (401, 403):
        return FailureClass.MISCONFIGURED
    if status in _TRANSIENT_STATUS or status >= 500:
        return FailureClass.TRANSIENT
    return FailureClass.PERMANENT  # 4xx; and 3xx, as redirects are never followed


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a vendor answered to a delivery it took.

    `reference` is its handle for what was made (a Slack ts, a dedup key), if it has one.
    `destination` is where it went in the vendor's own words, where it has such: a name that
    Slack was given leads to a channel that has an id.
    """

    status: DeliveryStatus
    code: int | None = None
    reference: dict[str, str] | None = None
    response: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a test looked at; `detail` says what it proves, and what not.

    `kind` is the class of what went wrong, where it has one.
    """

    name: str
    ok: bool
    detail: str
    kind: FailureClass | None = None

    @classmethod
    def failed(cls, name: str, error: DeliveryFailed) -> "Check":
        """What an attempt that failed says of it."""
        return cls(name, False, error.failure.detail, error.failure.kind)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` sends in `seconds`, evenly spaced."""

    count: int
    seconds: float

    @property
    def exact(self) -> float:
        """Seconds between sends as the vendor counts them."""
        return self.seconds / self.count

    @property
    def interval(self) -> float:
        """Seconds between sends as we count them: 50 ms more, as some take longer to arrive than
        others; at slow rates a twentieth more, at fast ones no more than a quarter."""
        return self.exact * max(1.05, min(1 + 0.05 / self.exact, 1.25))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds to wait after the first, second … failed attempt; after the last there is no more."""

    delays: tuple[float, ...]

    def delay(self, failures: int) -> float | None:
        """The wait after that many failures; None if it was the last attempt."""
        return self.delays[failures - 1] if failures <= len(self.delays) else None


# Chat, mail and paging: of no use a day later.
PROMPT = Schedule((5, 15, 60, 300, 900, 3_600))
# Standard Webhooks 1.0: ten attempts in 75.6 hours.
PERSISTENT = Schedule((5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
LATEST_SECONDS = 80 * 3600  # no delivery is older than this, whatever its vendor asks for


def next_delay(failure: Failure, failures: int, schedule: Schedule, jitter: float) -> float | None:
    """Seconds until the next attempt; None if there is none.

    `failures` counts this one, and not those that were throttled. `jitter` is in [-1, 1].
    """
    match failure.kind:
        case FailureClass.PERMANENT:
            return None
        case FailureClass.MISCONFIGURED:
            return LATEST_SECONDS  # until somebody changes the integration, which wakes it
        case FailureClass.THROTTLED:
            backoff = min(60.0, 2.0 ** min(failures + 1, 6)) * (1 + 0.1 * jitter)
            return backoff if failure.retry_after is None else failure.retry_after
    delay = schedule.delay(failures)
    if delay is None:
        return None
    return max(delay * (1 + 0.1 * jitter), failure.retry_after or 0)
