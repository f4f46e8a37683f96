"""The verdict of the weather campaign on when things were sent."""

from typing import Any, cast

import pytest

from benchmarks.weather_clock import Clock, Watch
from benchmarks.weather_vendors import Vendors
from benchmarks.weather_verdict import Asked, Verdict

_LEAP, _SECONDS = 1_000.0, 600.0  # when time was taken away, and how much


def verdict(started: float, completed: float | None) -> Verdict:
    """Of a delivery that failed at 900, is due 600 s later and was sent again then."""
    clock = Clock()
    clock.leap(_LEAP, _SECONDS)
    first = {"id": "a", "no": 1, "class": "transient", "started": 899.0, "completed": 900.0}
    second = {"id": "a", "no": 2, "class": None, "started": started, "completed": completed}
    attempts = [first | {"next": 900.0 + _SECONDS}, second | {"next": None}]
    watch = Watch(cast(Any, None), cast(Any, None), clock)
    record = [{"id": "a", "integration_id": "i"}]
    return Verdict(Asked(), cast(Vendors, None), watch, record, attempts)


@pytest.mark.parametrize(
    ("started", "completed", "early"),
    [
        (_LEAP + 1, _LEAP + 2, 0),
        (_LEAP, None, 0),
        (_LEAP - 0.3, _LEAP - 0.1, 1),
        (_LEAP - 5, _LEAP + 5, 1),
        (_LEAP - 50, _LEAP - 49, 1),
    ],
)
def test_what_began_before_its_time_was_early(
    started: float, completed: float | None, early: int
) -> None:
    _, found = verdict(started, completed)._lateness()
    assert len(found) == early
