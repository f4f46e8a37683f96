"""An operator with the Temporal UI before a request of notifications: harmless, or right."""

import pytest

from tests.operating.imports import World
from tests.operating.requests import ACTS, tried


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("phase", ["open_request/before", "deliver/before"])
async def test_what_is_accepted_comes(operated: World, phase: str, act: str) -> None:
    assert await tried(operated, phase, act) == []


@pytest.mark.parametrize("phase", ["over", "open_request/after", "deliver/after"])
@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_reset_sends_nothing_twice(operated: World, phase: str, number: int) -> None:
    assert await tried(operated, phase, "reset", number) == []
