"""Jobs survive an update of the service: histories of earlier versions still replay."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.replay.notifying import NOTIFYING
from tests.replay.record import HISTORIES, SCENARIOS
from worker import WORKFLOWS

TEXTS = {path.stem: path.read_text() for path in sorted(HISTORIES.glob("*.json"))}


async def replay(text: str) -> None:
    """Raises NondeterminismError if today's code would have done something else."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    await replayer.replay_workflow(WorkflowHistory.from_json("replayed", text))


def events(name: str, kind: str) -> list[dict[str, Any]]:
    found = (each.get(f"{kind}EventAttributes") for each in json.loads(TEXTS[name])["events"])
    return [each for each in found if each is not None]


@pytest.mark.parametrize("name", TEXTS)
async def test_the_history_replays(name: str) -> None:
    await replay(TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
async def test_a_changed_step_would_be_noticed(name: str) -> None:
    last = events(name, "activityTaskScheduled")[-1]["activityType"]["name"]
    before, _, after = TEXTS[name].rpartition(f'"activityType": {{"name": "{last}"}}')
    with pytest.raises(NondeterminismError):
        await replay(f'{before}"activityType": {{"name": "another"}}{after}')


def test_every_workflow_and_scenario_has_a_history() -> None:
    recorded = {
        events(name, "workflowExecutionStarted")[0]["workflowType"]["name"] for name in TEXTS
    }
    assert recorded == {each.__name__.removesuffix("Workflow") for each in WORKFLOWS}
    assert {each.__name__ for each in (*SCENARIOS, *NOTIFYING)} <= TEXTS.keys()


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("completed", "Completed"),
        ("cancelled_while_importing", "Completed"),
        ("cancelled_from_outside", "Canceled"),
        ("failed_while_parsing", "Failed"),
        ("expired", "Failed"),
        ("continued_as_new_before", "ContinuedAsNew"),
        ("continued_as_new", "Completed"),
        ("delivered_at_once", "Completed"),
        ("retried_over_lanes", "Completed"),
        ("woken", "Completed"),
        ("resent", "Completed"),
        ("lanes_continued_as_new_before", "ContinuedAsNew"),
        ("lanes_continued_as_new", "Completed"),
    ],
)
def test_the_history_ends_as_its_name_says(name: str, end: str) -> None:
    assert events(name, f"workflowExecution{end}")
