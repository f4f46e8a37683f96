"""The verdict of the weather campaign on when things were sent."""

from datetime import UTC, datetime
from typing import Any, ClassVar, cast

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
    return Verdict(Asked(), cast(Vendors, None), watch, [a_row("a")], attempts)


def a_row(id: str, destination: str = "d", over: float = 2_000.0) -> dict[str, Any]:
    completed = datetime.fromtimestamp(over, UTC)
    place = {"integration_id": "i", "destination": destination}
    return {"id": id, "completed_at": completed} | place


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


def tried(id: str, *started: float) -> list[Any]:
    """Attempts of a delivery, after each of which it waits an hour."""
    return [
        {"id": id, "no": no, "class": "transient", "started": at, "completed": at + 1}
        | {"next": at + 3_600}
        for no, at in enumerate(started, 1)
    ]


def early(record: list[Any], attempts: list[Any], resent: list[tuple[str, float]]) -> Any:
    watch = Watch(cast(Any, None), cast(Any, None), Clock())
    asked = Asked(resent=resent)
    _, found = Verdict(asked, cast(Vendors, None), watch, record, attempts)._lateness()
    return {(id, no) for id, no, _, _ in found}


class TestWhatIsSentAnew:
    """One that was tried at 100 is sent anew at 200, and tried then at 203 and too early at 205."""

    RESENT: ClassVar = [("a", 200.0)]

    def test_excuses_its_first_attempt_alone(self) -> None:
        attempts = tried("a", 100, 203, 205, 212)
        assert early([a_row("a")], attempts, self.RESENT) == {("a", 3), ("a", 4)}

    def test_excuses_what_waited_for_its_destination(self) -> None:
        attempts = [*tried("a", 100, 203), *tried("b", 150, 204)]
        assert early([a_row("a"), a_row("b")], attempts, self.RESENT) == set()

    def test_but_nothing_else_of_its_integration(self) -> None:
        attempts = [*tried("a", 100, 203), *tried("b", 150, 204)]
        assert early([a_row("a"), a_row("b", "other")], attempts, self.RESENT) == {("b", 2)}

    @pytest.mark.parametrize(
        ("attempts", "found"),
        [((150, 199), {("b", 2)}), ((204, 206), {("b", 2)}), ((202, 206), set())],
    )
    def test_nor_what_was_sent_before_or_waits_since(
        self, attempts: tuple[float, ...], found: Any
    ) -> None:
        """However long it takes until its first attempt, on a busy machine."""
        rows = [a_row("a"), a_row("b")]
        assert early(rows, [*tried("a", 100, 203), *tried("b", *attempts)], self.RESENT) == found

    def test_ends_when_it_is_over_without_an_attempt(self) -> None:
        rows = [a_row("a", over=202), a_row("b"), a_row("c")]
        attempts = [*tried("b", 201, 206), *tried("c", 204, 206)]
        assert early(rows, attempts, self.RESENT) == {("c", 2)}
