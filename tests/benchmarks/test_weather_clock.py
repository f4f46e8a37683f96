"""The clock of the weather campaign: time as it passed, and as the record has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.weather_clock import Clock

leaps = st.lists(st.tuples(st.floats(0.1, 50), st.floats(1, 5_000)), max_size=6)


def clock(leaps: list[tuple[float, float]]) -> Clock:
    found, at = Clock(), 100.0
    for later, seconds in leaps:
        at += later
        found.leap(at, seconds)
    return found


def test_a_leap_takes_time_away() -> None:
    found = clock([(10, 60), (5, 600)])
    assert [found.passed(at) for at in (109, 110, 114, 115, 200)] == [109, 170, 174, 775, 860]
    assert [found.real(at) for at in (109, 111, 170, 174, 500, 776)] == [
        109,
        110,
        110,
        114,
        115,
        116,
    ]


@given(leaps, st.floats(0, 500))
def test_what_has_passed_was_real_then(given: list[tuple[float, float]], at: float) -> None:
    found = clock(given)
    assert found.real(found.passed(at)) == pytest.approx(at)
    assert found.passed(at) >= at


@given(leaps, st.floats(0, 20_000), st.floats(0, 5_000))
def test_time_goes_one_way(given: list[tuple[float, float]], passed: float, more: float) -> None:
    found = clock(given)
    assert found.real(passed) <= found.real(passed + more) + 1e-6
