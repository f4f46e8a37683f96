"""However a request's workflow is started, tenants take turns."""

import pytest
from temporalio.client import Client

from tests.workflows.notification.fake_request import FakeRequest
from workflows.notification.start import (
    notification_id,
    restart_notification,
    start_notification,
    wake_notification,
)


@pytest.mark.parametrize("way", ["start", "restart", "wake"])
async def test_the_tenant_is_the_key_of_fairness(client: Client, way: str) -> None:
    request = FakeRequest().ref
    if way == "start":
        await start_notification(client, request, 1, 1)
    else:
        await {"restart": restart_notification, "wake": wake_notification}[way](client, request)
    handle = client.get_workflow_handle(notification_id(request.request_id))
    found = (await handle.describe()).raw_description.workflow_execution_info.priority
    await handle.terminate()
    assert found.fairness_key == request.tenant_id
    assert found.priority_key == (1 if way == "start" else 0)  # 0: Temporal's default
