"""An operator with the Temporal UI before a request of notifications: harmless, or right.

One trial for each act but those after which the workflow rests for half a minute;
`python -m benchmarks.operator --phase notification` does each of them in every phase.
"""

import pytest

from tests.operating.imports import World
from tests.operating.requests import ACTS, tried

pytestmark = pytest.mark.campaign

QUICK = [act for act in ACTS if act not in ("nonsense", "fail")]
TRIALS = [
    *(("deliver/before", act) for act in QUICK),
    ("open_request/before", "cancel"),
    ("open_request/before", "complete"),
    ("in flight", "cancel"),
    ("in flight", "terminate"),
]
RESETS = [("over", 0), ("open_request/after", 0), ("deliver/after", 1), ("in flight", 0)]


@pytest.mark.parametrize(("phase", "act"), TRIALS)
async def test_what_is_accepted_comes(operated: World, phase: str, act: str) -> None:
    assert await tried(operated, phase, act) == []


@pytest.mark.parametrize(("phase", "number"), RESETS)
async def test_a_reset_sends_nothing_twice(operated: World, phase: str, number: int) -> None:
    assert await tried(operated, phase, "reset", number) == []
