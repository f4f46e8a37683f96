"""How long a delivery waits after each failed attempt, and how many attempts it can have.

Failures are counted in three ways: those that certainly had no effect, those that were throttled,
and those that may have arrived. Each count has its own growing waits; docs/delivery.md lists them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile

from domain.integration.outcome import Failure, FailureClass
from domain.integration.retry_schedule import Schedule

JITTER = 0.1  # the share by which each wait is made longer or shorter, at most
SHORTEST_WISH = 0.5  # seconds; `Retry-After` has whole seconds, so a shorter time counts as none
LONGEST_REST = 3_600.0  # seconds; a vendor that asks for more is still tried once an hour

# After refused credentials; also the pauses between two probes of one destination.
REFUSED = Schedule((5, 60, 300, 900, 1_800, 3_600))
THROTTLED = Schedule((*(2.0**power for power in range(1, 12)), LONGEST_REST))
# The message may have arrived, and a repetition would show it twice: so it is repeated rarely.
DOUBTFUL = Schedule((300, 1_800, 7_200, 28_800, 86_400))
# The worker stopped during the attempt: the first repetition comes at once, later ones wait, as the
# delivery itself may be what stops workers.
LOST = Schedule((0, 5, 60, 300, 1_800, 7_200, 14_400))
# RFC 9110 15.6.3 and 15.6.5: a gateway got no valid answer (502), or none in time (504), from the
# server behind it, which may have done what it was asked.
_SILENCES = (502, 504)


@dataclass(frozen=True, slots=True)
class Failures:
    """How many attempts of a delivery have failed so far; each counts in exactly one field."""

    certain: int = 0
    throttled: int = 0
    doubtful: int = 0  # these attempts may have had their effect

    def plus(self, failure: Failure, *, idempotent: bool) -> "Failures":
        """These counts and `failure`. `idempotent`: the vendor recognises a repetition, so that it
        is safe to repeat an attempt that may have arrived."""
        if failure.kind is FailureClass.THROTTLED:
            return replace(self, throttled=self.throttled + 1)
        if _is_doubtful(failure, idempotent):
            return replace(self, doubtful=self.doubtful + 1)
        return replace(self, certain=self.certain + 1)


def next_delay(
    failure: Failure, failures: Failures, schedule: Schedule, jitter: float, *, idempotent: bool
) -> float | None:
    """Seconds until the next attempt; None if there is none.

    `failures` counts this failure already. `jitter` is in [-1, 1]. A `retry_after` only makes the
    wait longer, up to LONGEST_REST. It has no part in the wait of a throttled delivery, because
    then the whole destination rests (`rest`).
    """
    if failure.kind is FailureClass.PERMANENT:
        return None
    own = _own_delay(failure, failures, schedule, idempotent) * (1 + JITTER * jitter)
    return own if failure.kind is FailureClass.THROTTLED else max(own, _asked(failure))


def rest(failure: Failure) -> float:
    """Seconds for which a throttling vendor asks us to leave the destination alone, at most
    LONGEST_REST; 0 if it names no time. A rest without a named time grows with each throttling
    until something arrives there (storage/notification/destinations.py)."""
    return _asked(failure) if failure.kind is FailureClass.THROTTLED else 0.0


def _asked(failure: Failure) -> float:
    return min(failure.retry_after or 0.0, LONGEST_REST)


def asks_too_much(failure: Failure) -> bool:
    """Whether the vendor asks for a longer rest than we keep, so that we try it earlier."""
    return failure.kind is FailureClass.THROTTLED and (failure.retry_after or 0) > LONGEST_REST


def most_attempts(schedule: Schedule) -> int:
    """The most attempts that a delivery can have, whatever the answers are: every attempt but the
    first follows a wait, and a delivery's life has room for only so many waits of each count.

    Somebody who resends the delivery, or has its integration tested or changed, adds attempts.
    """
    throttled = (0.0, *THROTTLED.delays)
    of_counts = (fastest(schedule, REFUSED), throttled, fastest(DOUBTFUL, LOST))
    return 1 + sum(_fitting(waits, schedule.lasts) for waits in of_counts)


def fastest(one: Schedule, other: Schedule) -> Sequence[float]:
    """The shorter wait of two schedules after one failure, two, three …, for failures that both
    schedules count together."""
    counts = range(1, max(len(one.delays), len(other.delays)) + 1)
    return [min(one.delay(count), other.delay(count)) for count in counts]


def _own_delay(failure: Failure, failures: Failures, schedule: Schedule, idempotent: bool) -> float:
    if failure.kind is FailureClass.THROTTLED:
        # A time that the vendor names takes the place of our first wait; if it keeps throttling us,
        # our own waits come on top.
        counted = failures.throttled - (1 if _asked(failure) >= SHORTEST_WISH else 0)
        return THROTTLED.delay(counted) if counted else 0.0
    if _is_doubtful(failure, idempotent):
        doubtful = LOST if failure.kind is FailureClass.UNKNOWN else DOUBTFUL
        return doubtful.delay(failures.doubtful)
    certain = REFUSED if failure.kind is FailureClass.MISCONFIGURED else schedule
    return certain.delay(failures.certain)


def _is_doubtful(failure: Failure, idempotent: bool) -> bool:
    """Whether the attempt may have arrived, and a repetition would be seen.

    A server that answers with a fault of its own (5xx) has hardly done what it was asked. It may
    have done it if its answer is missing, also if a gateway says so (502, 504).
    """
    status = failure.status
    fell_over = status is not None and status >= 500 and status not in _SILENCES
    in_doubt = failure.maybe_sent and not fell_over and not idempotent
    return failure.kind is FailureClass.UNKNOWN or in_doubt


def _fitting(waits: Sequence[float], seconds: float) -> int:
    """How many waits, each as short as jitter makes it, end within `seconds`, if the last of them
    is repeated."""
    shortest = [wait * (1 - JITTER) for wait in waits]
    ends = list(takewhile(lambda end: end <= seconds, accumulate(shortest)))
    if len(ends) < len(shortest):
        return len(ends)
    return len(ends) + int((seconds - ends[-1]) / shortest[-1])
