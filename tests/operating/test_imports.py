"""An operator with the Temporal UI before running and ended imports: harmless, or right."""

import pytest

from tests.operating.acts import acts
from tests.operating.campaign import reset, tried
from tests.operating.imports import OVER, World

ACTS = {act.name: act for act in acts()}
FIRST, LAST = reset(0, reapply=True), reset(-1, reapply=True)
TOLD_NOTHING = reset(-1, reapply=False)


@pytest.mark.parametrize("phase", OVER)
@pytest.mark.parametrize("act", [FIRST, LAST, ACTS["start anew"]], ids=lambda act: act.name)
async def test_what_is_over_stays_as_it_is(operated: World, phase: str, act: object) -> None:
    assert (await tried(operated, phase, act)).problems == []  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", ["preview", "middle", "paused", "clean_up/before"])
@pytest.mark.parametrize("act", [FIRST, LAST, TOLD_NOTHING, *ACTS.values()], ids=lambda a: a.name)
async def test_what_runs_completes_or_says_how_it_ended(
    operated: World, phase: str, act: object
) -> None:
    assert (await tried(operated, phase, act)).problems == []  # type: ignore[arg-type]
