"""A request's workflow on real Temporal servers, its activities played by the test."""

import asyncio
from datetime import timedelta

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from tests.workflows.notification.fake_request import FakeRequest, broken, lane, working
from workflows.attributes import JOB_KIND, TENANT_ID
from workflows.notification.messages import NotificationInput, Notified
from workflows.notification.start import notification_id, start_notification, wake_notification
from workflows.notification.workflow import NotificationWorkflow
from workflows.step import DELIVER


async def started(
    client: Client, request: FakeRequest
) -> WorkflowHandle[NotificationWorkflow, Notified]:
    await start_notification(client, request.ref, 3, 1)
    id = notification_id(request.ref.request_id)
    return client.get_workflow_handle_for(NotificationWorkflow.run, id)


async def result(handle: WorkflowHandle[NotificationWorkflow, Notified]) -> Notified:
    async with asyncio.timeout(60):
        return await handle.result()


async def test_what_is_delivered_when_it_is_opened_needs_no_round(client: Client) -> None:
    request = FakeRequest(deliveries=3)
    async with working(client, request):
        handle = await started(client, request)
        assert await result(handle) == Notified(deliveries=3)
    assert (request.opened, request.asked) == (1, [])
    found = await handle.describe()
    assert found.typed_search_attributes[JOB_KIND] == "notification"
    assert found.typed_search_attributes[TENANT_ID] == request.ref.tenant_id


async def test_a_request_is_started_once(client: Client) -> None:
    request = FakeRequest()
    async with working(client, request):
        handle = await started(client, request)
        await result(handle)
        await started(client, request)
    assert request.opened == 1


async def test_every_lane_goes_on_by_itself(client: Client) -> None:
    request = FakeRequest(lanes=(lane("a"), lane("b", wait=None)))
    request.rounds["a"] = [lane("a", open=2), lane("a"), lane("a", open=0)]
    request.rounds["b"] = [lane("b", open=0)]
    async with working(client, request):
        handle = await started(client, request)
        await request.until(rounds=3)
        assert (request.of("a"), request.of("b")) == ([1, 2, 3], [])
        await wake_notification(client, request.ref)
        await result(handle)
    # Once, or once more where it was still open when the waking looked for lanes.
    assert set(request.of("b")) == {1}


async def test_waking_looks_for_lanes_that_are_open_again(client: Client) -> None:
    request = FakeRequest(lanes=(lane("a", wait=None),))
    request.rounds["a"] = [lane("a", open=0)]
    request.rounds["b"] = [lane("b", open=0)]
    async with working(client, request):
        handle = await started(client, request)
        await request.until(opened=1)
        request.lanes = (lane("b"),)
        await wake_notification(client, request.ref)
        await result(handle)
    assert (request.of("a"), request.of("b")) == ([1], [1])


async def test_a_lane_that_looked_before_the_routing_looks_again(client: Client) -> None:
    """It saw a delivery that waits to be routed, which has no time, and sleeps for hours."""
    request = FakeRequest(lanes=(lane("a", wait=None),))
    request.rounds["a"] = [lane("a", wait=None), lane("a", open=0)]
    async with working(client, request):
        handle = await started(client, request)
        await request.until(opened=1)
        opening = request.hold("open_request")
        request.lanes = (lane("a"),)
        await wake_notification(client, request.ref)
        await request.until(rounds=1, opened=2)
        opening.set()
        await result(handle)
    assert request.of("a") == [1, 2]


async def test_a_lane_that_ends_while_something_is_routed_for_it_looks_again(
    client: Client,
) -> None:
    request = FakeRequest(lanes=(lane("a"),))
    request.rounds["a"] = [lane("a", open=0)] * 2
    round = request.hold("deliver")
    async with working(client, request):
        handle = await started(client, request)
        await request.until(rounds=1)
        request.done.clear()
        await wake_notification(client, request.ref)
        await request.until(opened=2)
        opening, request.lanes = request.hold("open_request"), ()
        await wake_notification(client, request.ref)
        await request.until(opened=3)  # the lanes of the second opening are known
        round.set()
        opening.set()
        await result(handle)
    assert request.of("a") == [1, 2]


async def test_a_request_that_has_ended_is_woken_as_a_new_run(client: Client) -> None:
    request = FakeRequest()
    async with working(client, request):
        handle = await started(client, request)
        await result(handle)
        request.lanes, request.rounds["a"] = (lane("a"),), [lane("a", open=0)]
        await wake_notification(client, request.ref)
        await result(handle)
    assert (request.opened, request.of("a")) == (2, [1])


async def test_a_fault_of_the_program_does_not_lose_deliveries(
    skipping: WorkflowEnvironment,
) -> None:
    request = FakeRequest(lanes=(lane("a"),))
    request.rounds["a"] = [broken(), broken(), lane("a", open=0)]
    async with working(skipping.client, request):
        handle = await started(skipping.client, request)
        await request.until(rounds=1)
        await skipping.sleep(timedelta(minutes=2))
        await result(handle)
    assert request.of("a") == [1, 2, 3]


async def test_three_days_of_rounds_are_a_short_history(skipping: WorkflowEnvironment) -> None:
    request = FakeRequest(deliveries=1_000, lanes=(lane("a", open=1_000),))
    waits = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    request.rounds["a"] = [*(lane("a", 1_000, wait) for wait in waits), lane("a", open=0)]
    async with working(skipping.client, request):
        handle = await started(skipping.client, request)
        await request.until(opened=1)
        await skipping.sleep(timedelta(days=4))
        await result(handle)
        history = await handle.fetch_history()
    assert request.of("a") == list(range(1, 11))
    assert len(history.events) < 120


async def test_a_long_history_goes_on_as_another_run(brief_client: Client) -> None:
    request = FakeRequest(lanes=(lane("a", open=20), lane("b", wait=None)))
    request.rounds["a"] = [lane("a", open=20 - n) for n in range(1, 21)]
    request.rounds["b"] = [lane("b", open=0)]
    async with working(brief_client, request):
        handle = await brief_client.start_workflow(
            NotificationWorkflow.run,
            NotificationInput(request=request.ref),
            id=notification_id(request.ref.request_id),
            task_queue=DELIVER,
        )
        await request.until(rounds=8)
        await wake_notification(brief_client, request.ref)
        assert await result(handle) == Notified(deliveries=3)
    # One more, if the lane ended while the wake was looked into.
    assert sum(each.integration_id == "a" for each in request.asked) in (20, 21)
    assert request.opened in (1, 2)
