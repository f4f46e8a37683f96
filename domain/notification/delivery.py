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
    SUPERSEDED = "superseded"
    NOT_SENT = "not_sent"


class Reason(StrEnum):
    """Why a delivery was not sent, was replaced or cancelled, or what it waits for."""

    INTEGRATION_OFF = "integration_off"
    INTEGRATION_DELETED = "integration_deleted"
    CHANNEL_OFF = "channel_off"
    CHANNEL_DELETED = "channel_deleted"  # the user chose one that there is no more
    MUTED = "muted"
    BELOW_MIN_SEVERITY = "below_min_severity"
    EVENT_TYPE_EXCLUDED = "event_type_excluded"
    NO_CHANNEL = "no_channel"  # none is default, or the user chose none
    NO_RECIPIENT = "no_recipient"
    SAME_DESTINATION = "same_destination"  # another delivery of the event leads there
    REPLACED_BY_TRIGGER = "replaced_by_trigger"
    REPLACED_BY_ACKNOWLEDGE = "replaced_by_acknowledge"
    REPLACED_BY_RESOLVE = "replaced_by_resolve"


OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.RETRYING})


class FailureClass(StrEnum):
    """Why an attempt failed, in the one way that decides what happens next."""

    PERMANENT = "permanent"  # the same request will be refused again
    MISCONFIGURED = "misconfigured"  # its destination is probed until it works again
    THROTTLED = "throttled"  # too fast: its destination rests
    TRANSIENT = "transient"  # tried again after a while
    BLOCKED = "blocked"  # the egress guard refused the address; tried again: names change
    UNKNOWN = "unknown"  # whoever sent it did not live to tell


@dataclass(frozen=True, slots=True)
class Failure:
    """`detail` is for people and holds no secret. `maybe_sent`: it may have had its effect.

    `retry_after` (seconds) is what the vendor asked for. `gone`: the vendor wants no more at all.
    `response` is the body that the vendor answered with, as far as it was read. `timed_out`: it was
    waited for in vain, be it for an answer or for a connection.
    """

    kind: FailureClass
    detail: str
    status: int | None = None
    retry_after: float | None = None
    maybe_sent: bool = False
    gone: bool = False
    response: str = ""
    timed_out: bool = False


class DeliveryFailed(Exception):
    """An attempt failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.detail}")
        self.failure = failure


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


LATEST_SECONDS = 80 * 3600  # the usual life of a delivery, whatever its vendor asks for
_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds to wait after the first, second … failed attempt; the last wait is repeated until
    the delivery is `lasts` seconds old, which is its deadline."""

    delays: tuple[float, ...]
    lasts: float = LATEST_SECONDS

    def delay(self, failures: int) -> float:
        """The wait after that many failures, of which there is one at least."""
        return self.delays[min(failures, len(self.delays)) - 1]


# Chat and paging outlive an outage of days.
PROMPT = Schedule((5, 15, 60, 300, 900, 1_800, _HOUR, 7_200, 14_400))
# RFC 5321 4.5.4.1: "the give-up time generally needs to be at least 4-5 days"; its half an hour
# between attempts is for relays, whose mail nobody waits for.
MAIL = Schedule((5, 60, 300, 900, 1_800, _HOUR, 7_200, 14_400), 5 * 24 * _HOUR)
# Standard Webhooks 1.0: ten attempts in 75.6 hours.
PERSISTENT = Schedule((5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
