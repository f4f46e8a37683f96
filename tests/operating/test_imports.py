"""An operator with the Temporal UI before running and ended imports: harmless, or right.

One trial for each act; `python -m benchmarks.operator` does each of them in every phase.
"""

import pytest

from tests.operating.acts import Act, acts
from tests.operating.campaign import reset, reset_of_first, tried
from tests.operating.imports import OVER, World

pytestmark = pytest.mark.campaign

ACTS = {act.name: act for act in acts()}
FIRST, LAST = reset(0, reapply=True), reset(-1, reapply=True)
TOLD_NOTHING = reset(-1, reapply=False)
TRIALS = [
    *(("middle", act) for act in [FIRST, LAST, TOLD_NOTHING, *ACTS.values()]),
    *((phase, act) for phase in ("preview", "paused") for act in (FIRST, TOLD_NOTHING)),
    ("preview", ACTS["pause workflow"]),
    ("continued", reset_of_first(0)),
    ("clean_up/before", LAST),
    ("close_job/after", FIRST),
    ("cancel/undo_import/after", ACTS["terminate"]),
    ("rollback/undo_import/before", ACTS["cancel"]),
    ("rollback/clean_up/before", ACTS["activity complete"]),
]


@pytest.mark.parametrize("phase", OVER)
@pytest.mark.parametrize("act", [FIRST, ACTS["start anew"]], ids=lambda act: act.name)
async def test_what_is_over_stays_as_it_is(operated: World, phase: str, act: Act) -> None:
    assert (await tried(operated, phase, act)).problems == []


@pytest.mark.parametrize(("phase", "act"), TRIALS, ids=lambda each: getattr(each, "name", each))
async def test_what_runs_completes_or_says_how_it_ended(
    operated: World, phase: str, act: Act
) -> None:
    assert (await tried(operated, phase, act)).problems == []
