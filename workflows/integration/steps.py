"""The activity that tests an integration, as its workflow sees it."""

from workflows.integration import messages as m
from workflows.step import BEAT, BRIEF, Step

test_integration = Step(
    "test_integration", m.IntegrationTestInput, m.IntegrationTested, heartbeat=BEAT, retry=BRIEF
)

STEPS = (test_integration,)
