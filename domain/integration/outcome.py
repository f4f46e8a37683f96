"""How calls to an integration end: one classification of every failure; retries follow from it.

docs/delivery.md publishes the table; tests/conformance holds every channel to it.
"""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """Why an attempt failed, in the one way that decides what happens next."""

    PERMANENT = "permanent"  # the same request will be refused again
    MISCONFIGURED = "misconfigured"  # its destination is probed until it works again
    THROTTLED = "throttled"  # we were too fast: its destination rests
    TRANSIENT = "transient"  # tried again after a while
    BLOCKED = "blocked"  # the egress guard refused the address; tried again: names change
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
    """A vendor's answer to a delivery that it took. `confirmed`: the vendor said that the effect is
    there; else it only took the request.

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
    """One thing that a connection check looked at; `detail` says what it proves, and what not.

    `kind` is the class of the failure, if it has one.
    """

    name: str
    ok: bool
    detail: str
    kind: FailureClass | None = None

    @classmethod
    def failed(cls, name: str, error: DeliveryFailed) -> "Check":
        """The failed check for an attempt that failed."""
        return cls(name, False, error.failure.detail, error.failure.kind)
