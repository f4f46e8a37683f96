"""How calls to an integration end: one classification of every failure; retries follow from it.

docs/delivery.md publishes the table; tests/conformance holds every channel to it.
"""

from dataclasses import dataclass
from enum import StrEnum


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

    `retry_after` (seconds) is what the vendor asked for. `endpoint_gone`: the vendor wants no more
    at all. `response` is the body that the vendor answered with, as far as it was read.
    `timed_out`: it was waited for in vain, be it for an answer or for a connection.
    """

    kind: FailureClass
    detail: str
    status: int | None = None
    retry_after: float | None = None
    maybe_sent: bool = False
    endpoint_gone: bool = False
    response: str = ""
    timed_out: bool = False


class DeliveryFailed(Exception):
    """An attempt failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.detail}")
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a vendor answered to a delivery it took. `confirmed`: it said that the effect is there;
    else it took it, and says no more.

    `reference` is its handle for what was made (a Slack ts, a dedup key), if it has one.
    `destination` is where it went in the vendor's own words, where it has such: a name that
    Slack was given leads to a channel that has an id.
    """

    confirmed: bool
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
