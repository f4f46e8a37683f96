"""An operator with the Temporal UI before a test of an integration: its caller is told so, the test
can be done again, and what is on record comes from the vendor alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from receivers.receiver import Reply, serving
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.operating.imports import World
from tests.operating.operator import Operator

Do = Callable[[Operator], Awaitable[Any]]


async def _reset(operator: Operator) -> None:
    await operator.reset((await operator.reset_points())[0])


ENDED: dict[str, Do] = {
    "terminate": lambda operator: operator.terminate(),
    "cancel": lambda operator: operator.cancel(),
    "delete": lambda operator: operator.delete(),
    "fail": lambda operator: operator.each_pending("fail", {"no": "problem"}),
    "nonsense": lambda operator: operator.each_pending("complete", "nonsense"),
    "reset": _reset,
}


async def _running(world: World, subject: str) -> Operator:
    """Before the one test of the integration; visibility is a moment late."""
    query = f"WorkflowId STARTS_WITH 'integration-test/{subject}'"
    async with asyncio.timeout(30):
        while not (found := [each async for each in world.client.list_workflows(query)]):
            await asyncio.sleep(0.1)
    return Operator(world.client, found[0].id)


@pytest.mark.parametrize("act", ENDED)
async def test_one_that_is_ended_says_so_and_can_be_done_again(operated: World, act: str) -> None:
    tenant, receiver = await operated.tenant(), WebhookReceiver(n.SECRET)
    async with operated.receiving() as ports, serving(receiver, ports[0]):
        config = {"url": f"{receiver.url}/hook", "secret": n.SECRET}
        made = await n.integration(tenant, receiver.kind, config)
        receiver.always = Reply(hang=True)
        asked = asyncio.create_task(tenant.post(f"/v1/integrations/{made}/test"))
        await receiver.until(len)
        operator = await _running(operated, made)
        await ENDED[act](operator)
        answer = await asked
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
        assert "test again" in answer.json()["detail"]
        receiver.always = Reply(204)
        receiver.released.set()
        again = await tenant.post(f"/v1/integrations/{made}/test")
        assert again.json()["data"]["success"], again.text
        row = (await tenant.get(f"/v1/integrations/{made}")).json()["data"]
        assert row["health"] == "connected"
    await operated.forget(tenant)
