"""How long deliveries wait over their whole lives, for any sequence of answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.integration.outcome import Failure, FailureClass
from domain.integration.retry_schedule import PROMPT, Schedule
from domain.notification.backoff import (
    DOUBTFUL,
    LONGEST_REST,
    LOST,
    REFUSED,
    THROTTLED,
    Failures,
    asks_too_much,
    most_attempts,
    next_delay,
    rest,
)
from integrations.email.channel import MAIL
from integrations.webhook.channel import PERSISTENT

SCHEDULES = st.sampled_from([PROMPT, MAIL, PERSISTENT])
ANSWERS = st.builds(
    Failure,
    st.sampled_from([kind for kind in FailureClass if kind is not FailureClass.PERMANENT]),
    st.just("no"),
    status=st.none() | st.sampled_from([401, 429, 503]),
    retry_after=st.none() | st.floats(0, 400_000) | st.sampled_from([0.0, 0.01]),
    maybe_sent=st.booleans(),
)
JITTER = st.floats(-1, 1)


def lived(schedule: Schedule, answers: list[Failure], *, idempotent: bool, jitter: float) -> int:
    """The number of attempts until the deadline, with these answers in turn."""
    at, attempts, failures = 0.0, 0, Failures()
    while at < schedule.lasts:
        answer = answers[attempts % len(answers)]
        attempts += 1
        failures = failures.plus(answer, idempotent=idempotent)
        wait = next_delay(answer, failures, schedule, jitter, idempotent=idempotent)
        assert wait is not None
        at += wait
    return attempts


@given(SCHEDULES, st.lists(ANSWERS, min_size=1, max_size=8), st.booleans(), JITTER)
def test_attempts_are_bounded_whatever_is_answered(
    schedule: Schedule, answers: list[Failure], idempotent: bool, jitter: float
) -> None:
    assert lived(schedule, answers, idempotent=idempotent, jitter=jitter) <= most_attempts(schedule)


@given(ANSWERS, SCHEDULES, st.integers(0, 300), st.booleans(), JITTER)
def test_what_the_vendor_asks_for_makes_no_wait_shorter(
    answer: Failure, schedule: Schedule, before: int, idempotent: bool, jitter: float
) -> None:
    silent = Failure(answer.kind, "no", answer.status, None, answer.maybe_sent)
    failures = Failures(before, before, before).plus(answer, idempotent=idempotent)
    own = next_delay(silent, failures, schedule, jitter, idempotent=idempotent)
    asked = next_delay(answer, failures, schedule, jitter, idempotent=idempotent)
    assert own is not None
    assert asked is not None
    assert 0.0 <= rest(answer) <= LONGEST_REST
    if answer.kind is FailureClass.THROTTLED:  # the first time is believed, for its destination
        assert own >= 1.8
    else:
        assert own <= asked <= max(own, LONGEST_REST)


@given(SCHEDULES, st.integers(1, 1_000), st.booleans())
def test_an_outage_never_ends_a_delivery_before_its_deadline(
    schedule: Schedule, failures: int, idempotent: bool
) -> None:
    away = Failure(FailureClass.TRANSIENT, "nobody listens")
    assert next_delay(away, Failures(failures), schedule, 0.0, idempotent=idempotent) is not None


@pytest.mark.parametrize(("schedule", "hours"), [(PROMPT, 4), (MAIL, 4), (PERSISTENT, 24)])
def test_what_is_mended_within_days_is_noticed_within_hours(
    schedule: Schedule, hours: float
) -> None:
    assert max(schedule.delays) <= hours * 3_600
    assert schedule.lasts >= 80 * 3_600


@pytest.mark.parametrize("schedule", [PROMPT, MAIL, PERSISTENT, REFUSED, THROTTLED, DOUBTFUL, LOST])
def test_waits_grow(schedule: Schedule) -> None:
    assert list(schedule.delays) == sorted(set(schedule.delays))


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [(None, 0.0), (0.0, 0.0), (0.01, 0.01), (17.0, 17.0), (86_400.0, 3_600.0)],
)
def test_the_destination_is_asked_to_rest_within_bounds(
    retry_after: float | None, waits: float
) -> None:
    said = Failure(FailureClass.THROTTLED, "too fast", 429, retry_after)
    own = [next_delay(said, Failures(throttled=n), PROMPT, 0.0, idempotent=True) for n in (1, 2, 3)]
    assert own == ([0.0, 2.0, 4.0] if (retry_after or 0) >= 1 else [2.0, 4.0, 8.0])
    assert rest(said) == waits
    assert asks_too_much(said) is (retry_after == 86_400.0)


class TestDoubts:
    """Messages that may have arrived, in channels where a repetition is seen twice."""

    def waits(self, failure: Failure, *, idempotent: bool, times: int = 5) -> list[float | None]:
        found, failures = [], Failures()
        for _ in range(times):
            failures = failures.plus(failure, idempotent=idempotent)
            found.append(next_delay(failure, failures, PROMPT, 0.0, idempotent=idempotent))
        return found

    def test_it_is_repeated_rarely(self) -> None:
        silence = Failure(FailureClass.TRANSIENT, "no answer in time", maybe_sent=True)
        assert self.waits(silence, idempotent=False) == list(DOUBTFUL.delays)

    def test_where_a_repetition_is_known_it_costs_nothing(self) -> None:
        silence = Failure(FailureClass.TRANSIENT, "no answer in time", maybe_sent=True)
        assert self.waits(silence, idempotent=True) == list(PROMPT.delays[:5])

    def test_an_answered_failure_is_not_doubtful(self) -> None:
        fell_over = Failure(FailureClass.TRANSIENT, "it answered 503", 503, maybe_sent=True)
        assert self.waits(fell_over, idempotent=False) == list(PROMPT.delays[:5])

    @pytest.mark.parametrize("status", [502, 504])
    def test_a_gateway_answers_for_whoever_is_silent_behind_it(self, status: int) -> None:
        """Example: a Teams workflow posts, but its Response action comes too late: 502."""
        silence = Failure(FailureClass.TRANSIENT, "a gateway answered", status, maybe_sent=True)
        assert self.waits(silence, idempotent=False) == list(DOUBTFUL.delays)
        assert self.waits(silence, idempotent=True) == list(PROMPT.delays[:5])

    def test_who_says_that_part_of_it_was_done_is_believed(self) -> None:
        partly = Failure(FailureClass.TRANSIENT, "internal_error", 200, maybe_sent=True)
        assert self.waits(partly, idempotent=False) == list(DOUBTFUL.delays)

    def test_a_lost_worker_is_made_good_for_at_once_but_not_for_ever(self) -> None:
        lost = Failure(FailureClass.UNKNOWN, "outcome unknown")
        assert self.waits(lost, idempotent=False, times=7) == list(LOST.delays)
