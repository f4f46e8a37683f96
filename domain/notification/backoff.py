"""How long a delivery waits after each failure, and what bounds the number of its attempts.

Every wait belongs to one of three rows that grow independently: what failed for certain, what was
too fast, and what may have arrived. docs/delivery.md publishes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile

from domain.integration.outcome import Failure, FailureClass
from domain.integration.pace import Schedule

JITTER = 0.1  # each wait is this much longer or shorter at most
SHORTEST_WISH = 0.5  # headers say whole seconds; what is shorter names no time
LONGEST_REST = 3_600.0  # however long a vendor asks to be left alone, it is tried once an hour

# Refused credentials: also how long a destination is left alone between two probes.
REFUSED = Schedule((5, 60, 300, 900, 1_800, 3_600))
THROTTLED = Schedule((*(2.0**power for power in range(1, 12)), LONGEST_REST))
# It may have arrived and would be seen twice: repeated, as nobody knows, but rarely.
DOUBTFUL = Schedule((300, 1_800, 7_200, 28_800, 86_400))
# The worker stopped: what it sent last is repeated at once, unless that is what stops workers.
LOST = Schedule((0, 5, 60, 300, 1_800, 7_200, 14_400))
# RFC 9110 15.6: a gateway had no valid answer, or none in time, from whom it gave the request to.
_SILENCES = (502, 504)


@dataclass(frozen=True, slots=True)
class Failures:
    """How many attempts have failed so far, each counted in one of three ways."""

    certain: int = 0
    throttled: int = 0
    doubtful: int = 0  # they may have had their effect

    def plus(self, failure: Failure, *, idempotent: bool) -> "Failures":
        """`idempotent`: the vendor recognises a repetition, so that a doubt costs nothing."""
        if failure.kind is FailureClass.THROTTLED:
            return replace(self, throttled=self.throttled + 1)
        if _is_doubtful(failure, idempotent):
            return replace(self, doubtful=self.doubtful + 1)
        return replace(self, certain=self.certain + 1)


def next_delay(
    failure: Failure, failures: Failures, schedule: Schedule, jitter: float, *, idempotent: bool
) -> float | None:
    """Seconds until the next attempt; None if there is none.

    `failures` counts this one. `jitter` is in [-1, 1]. What the vendor asks for makes a wait
    longer, up to a bound, and never shorter; where we are too fast, the whole destination rests.
    """
    if failure.kind is FailureClass.PERMANENT:
        return None
    own = _own_delay(failure, failures, schedule, idempotent) * (1 + JITTER * jitter)
    return own if failure.kind is FailureClass.THROTTLED else max(own, _asked(failure))


def rest(failure: Failure) -> float:
    """Seconds for which the vendor asks to leave the destination alone, within bounds. What it says
    nothing of follows from how often the destination said so since something arrived there."""
    return _asked(failure) if failure.kind is FailureClass.THROTTLED else 0.0


def _asked(failure: Failure) -> float:
    return min(failure.retry_after or 0.0, LONGEST_REST)


def asks_too_much(failure: Failure) -> bool:
    """Whether its destination is to be tried before the time that the vendor asks for."""
    return failure.kind is FailureClass.THROTTLED and (failure.retry_after or 0) > LONGEST_REST


def most_attempts(schedule: Schedule) -> int:
    """No delivery is attempted more often by itself, whatever it is answered: everything but the
    first attempt follows a wait, and only so many of each row's fit into its life."""
    throttled = (0.0, *THROTTLED.delays)
    rows = (fastest(schedule, REFUSED), throttled, fastest(DOUBTFUL, LOST))
    return 1 + sum(_fitting(waits, schedule.lasts) for waits in rows)


def fastest(one: Schedule, other: Schedule) -> Sequence[float]:
    """The shorter wait at each place, where both count together."""
    places = range(1, max(len(one.delays), len(other.delays)) + 1)
    return [min(one.delay(place), other.delay(place)) for place in places]


def _own_delay(failure: Failure, failures: Failures, schedule: Schedule, idempotent: bool) -> float:
    if failure.kind is FailureClass.THROTTLED:
        # The first time that the vendor names is believed; who names one again and again is not.
        known = failures.throttled - (1 if _asked(failure) >= SHORTEST_WISH else 0)
        return THROTTLED.delay(known) if known else 0.0
    if _is_doubtful(failure, idempotent):
        row = LOST if failure.kind is FailureClass.UNKNOWN else DOUBTFUL
        return row.delay(failures.doubtful)
    row = REFUSED if failure.kind is FailureClass.MISCONFIGURED else schedule
    return row.delay(failures.certain)


def _is_doubtful(failure: Failure, idempotent: bool) -> bool:
    """Whoever falls over has hardly done it; a silence may mean anything, also behind a gateway."""
    status = failure.status
    fell_over = status is not None and status >= 500 and status not in _SILENCES
    in_doubt = failure.maybe_sent and not fell_over and not idempotent
    return failure.kind is FailureClass.UNKNOWN or in_doubt


def _fitting(waits: Sequence[float], seconds: float) -> int:
    """How many of the waits, of which the last is repeated, end within so many seconds."""
    shortest = [wait * (1 - JITTER) for wait in waits]
    ends = list(takewhile(lambda end: end <= seconds, accumulate(shortest)))
    if len(ends) < len(shortest):
        return len(ends)
    return len(ends) + int((seconds - ends[-1]) / shortest[-1])
