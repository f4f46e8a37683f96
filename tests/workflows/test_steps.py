"""The steps that workflows use agree with the activities."""

import inspect
import typing
from collections.abc import Callable
from typing import Any, cast

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

import worker
from activities.connections import Connections
from settings import Settings
from workflows.all_steps import STEPS
from workflows.payload import Payload
from workflows.step import Step

AnyStep = Step[Any, Any]
NOBODY = cast(
    Connections,
    type(
        "NoConnections", (), dict.fromkeys(("database", "store", "vault", "egress", "public_url"))
    ),
)
ACTIVITIES = worker.activities(NOBODY, Settings())


def attribute(found: Callable[..., Any]) -> str:
    definition = activity._Definition.must_from_callable(found)
    assert definition.name is not None
    return definition.name


def test_steps_have_names_of_their_own() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_no_activity_is_without_a_step() -> None:
    rooms = {type(getattr(each, "__self__", None)) for each in ACTIVITIES.values()}
    declared = {
        attribute(member)
        for room in rooms
        for _, member in inspect.getmembers(room, inspect.isfunction)
        if activity._Definition.from_callable(member) is not None
    }
    assert declared == {step.name for step in STEPS}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_the_activity_is_as_the_step_declares(step: AnyStep) -> None:
    implementation = ACTIVITIES[step.name]
    assert attribute(implementation) == step.name
    hints = typing.get_type_hints(implementation)
    result = hints.pop("return")
    assert (list(hints.values()), result) == ([step.input], step.result)
    assert issubclass(step.input, Payload)


async def test_every_step_is_served_on_its_queue_alone(client: Client) -> None:
    # A connection has one worker for a queue, also of those that never run.
    client = await Client.connect(client.service_client.config.target_host)
    serving = {
        (name, each.task_queue)
        for each in worker.workers(client, NOBODY, Settings())
        for name in served(each)
    }
    assert serving == {(step.name, step.queue) for step in STEPS}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_takes_long_tells_that_it_lives(step: AnyStep) -> None:
    """Without a heartbeat a dead worker is noticed only when the time-out is over."""
    assert step.heartbeat is not None or step.timeout.total_seconds() <= 300


def served(running: Worker) -> set[str]:
    return {attribute(each) for each in running.config()["activities"]}
