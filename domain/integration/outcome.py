"""How calls to an integration end: one classification of every failure; retries follow from it.

docs/delivery.md publishes the table; tests/conformance holds every channel to it.
"""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """Why an attempt failed. The class alone decides what happens next."""

    PERMANENT = "permanent"  # the same request will be refused again
    MISCONFIGURED = "misconfigured"  # the destination is probed until it works again
    THROTTLED = "throttled"  # we were too fast: nothing is sent to the destination for a while
    TRANSIENT = "transient"  # the delivery is tried again after a while
    # The egress guard refused the address. The delivery is tried again, as names change theirs.
    BLOCKED = "blocked"
    UNKNOWN = "unknown"  # the worker stopped before it recorded the answer


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt failed. `detail` is for people and holds no secret. `maybe_sent`: the request
    may have had its effect.

    `retry_after` is the wait in seconds that the vendor asked for. `endpoint_gone`: the vendor
    wants no more requests there. `response` is the body that the vendor answered with, as far as it
    was read. `timed_out`: no connection, or no answer, came in time.
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
    """A vendor's answer to a delivery that it took. `confirmed`: the vendor said that the delivery
    has had its effect; else the vendor has only taken the request.

    `reference` is the vendor's handle for what was made (a Slack ts, a dedup key), if it has one.
    `destination` is the vendor's own name for where the message went, if it tells one: Slack
    answers with the id of the channel that was named.
    """

    confirmed: bool
    code: int | None = None
    reference: dict[str, str] | None = None
    response: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a test of a connection; `detail` says what the step proves, and what it does not.

    `kind` is the class of the failure; None if the step is `ok`, or failed without such a class.
    """

    name: str
    ok: bool
    detail: str
    kind: FailureClass | None = None

    @classmethod
    def failed(cls, name: str, error: DeliveryFailed) -> "Check":
        """The failed check for an attempt that failed."""
        return cls(name, False, error.failure.detail, error.failure.kind)
