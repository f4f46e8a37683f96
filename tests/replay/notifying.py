"""Scenarios of notifications and connection tests whose histories are recorded."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from domain.integration.outcome import Check
from tests.workflows.migration.fake_job import TENANT
from tests.workflows.notification.fake_request import FakeRequest, lane, working
from workflows.integration.connection_check import IntegrationTestWorkflow
from workflows.integration.messages import IntegrationTested, IntegrationTestInput
from workflows.integration.start import start_integration_test
from workflows.integration.steps import test_integration
from workflows.notification.messages import RequestRef
from workflows.notification.start import notification_id, start_notification, wake_notification
from workflows.notification.workflow import NotificationWorkflow
from workflows.step import DELIVER

Handle = WorkflowHandle[Any, Any]
Notifying = Callable[[Client, FakeRequest], Awaitable[None]]

_INTEGRATION = str(UUID(int=100, version=4))


async def delivered_at_once(client: Client, request: FakeRequest) -> None:
    await _start(client, request)


async def retried_over_lanes(client: Client, request: FakeRequest) -> None:
    request.lanes = (lane("a", open=3), lane("b", wait=0.2), lane("c", wait=0.3))
    request.rounds["a"] = [lane("a", open=2, wait=0.1), lane("a", wait=0.2), lane("a", open=0)]
    request.rounds["b"] = [lane("b", wait=0.1), lane("b", open=0)]
    request.rounds["c"] = [lane("c", open=0)]
    await _start(client, request)


async def woken(client: Client, request: FakeRequest) -> None:
    """A waiting delivery and one that was reopened meanwhile are woken and sent."""
    request.lanes = (lane("a", wait=None),)
    request.rounds["a"], request.rounds["b"] = [lane("a", open=0)], [lane("b", open=0)]
    await _start(client, request)
    await request.until(opened=1)
    request.lanes = (lane("b"),)
    await wake_notification(client, request.ref)


async def resent(client: Client, request: FakeRequest) -> None:
    """A second run of the request, after the run that delivered it."""
    await (await _start(client, request)).result()
    request.lanes, request.rounds["a"] = (lane("a"),), [lane("a", open=0)]
    await wake_notification(client, request.ref)


async def lanes_continued_as_new(client: Client, request: FakeRequest) -> None:
    request.lanes = (lane("a", open=30), lane("b", wait=3_600))
    request.rounds["a"] = [lane("a", open=30 - done) for done in range(1, 31)]
    request.rounds["b"] = [lane("b", open=0)]
    await _start(client, request)
    await request.until(rounds=30)
    await wake_notification(client, request.ref)


NOTIFYING: tuple[Notifying, ...] = (
    delivered_at_once,
    retried_over_lanes,
    woken,
    resent,
    lanes_continued_as_new,
)


async def play(client: Client, scenario: Notifying, request_id: str) -> Handle:
    """Play the scenario to its end; returns the last run of its workflow."""
    request = FakeRequest(ref=RequestRef(tenant_id=TENANT, request_id=request_id))
    async with working(client, request, identity="recorder"):
        await scenario(client, request)
        handle = _handle(client, request)
        await handle.result()
    return handle


async def _start(client: Client, request: FakeRequest) -> Handle:
    await start_notification(client, request.ref, 3, 1)
    return _handle(client, request)


def _handle(client: Client, request: FakeRequest) -> Handle:
    id = notification_id(request.ref.request_id)
    return client.get_workflow_handle_for(NotificationWorkflow.run, id)


async def play_test(client: Client) -> Handle:
    """Test a connection whose vendor refuses it."""
    worker = Worker(
        client,
        task_queue=DELIVER,
        workflows=[IntegrationTestWorkflow],
        identity="recorder",
    )
    vendor = Worker(
        client,
        task_queue=test_integration.queue,
        activities=[_refuse],
        identity="recorder",
    )
    input = IntegrationTestInput(tenant_id=TENANT, subject=_INTEGRATION, saved=True)
    async with worker, vendor:
        handle = await start_integration_test(client, input, "1")
        await handle.result()
    return handle


@activity.defn(name=test_integration.name)
async def _refuse(input: IntegrationTestInput) -> IntegrationTested:
    checks = (Check("bot token", False, "invalid_auth"),)
    return IntegrationTested(success=False, error="bot token: invalid_auth", checks=checks)
