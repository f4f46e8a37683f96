"""The distance between sends at a given rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.integration.rate import Rate

RATES = st.builds(Rate, st.integers(1, 100_000), st.floats(0.001, 3_600))


@given(RATES)
def test_sends_are_further_apart_than_the_rate_and_not_by_much(rate: Rate) -> None:
    assert 1.0499 <= rate.interval / rate.exact <= 1.2501


@given(RATES)
def test_as_many_as_may_be_sent_take_longer_than_they_have_to(rate: Rate) -> None:
    assert rate.count * rate.interval > rate.seconds


@pytest.mark.parametrize(
    ("rate", "interval"),
    [
        (Rate(1, 1.0), 1.05),
        (Rate(4, 1.0), 0.3),
        (Rate(120, 60.0), 0.55),
        (Rate(1, 60.0), 63.0),
        (Rate(100, 1.0), 0.0125),
    ],
)
def test_the_margin_is_50_ms_within_bounds(rate: Rate, interval: float) -> None:
    assert rate.interval == pytest.approx(interval)
