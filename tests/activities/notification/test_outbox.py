"""Requests in the outbox are started and woken independently of each other."""

from typing import cast
from uuid import UUID, uuid4

from temporalio.client import Client

from activities.notification.outbox import start_waiting
from storage.notification.outbox import Waiting
from tests.service import Tenant
from workflows.notification.start import notification_id

_ABSURD = cast(UUID, "x" * 2_000)  # Temporal refuses a workflow of so long an id


async def test_a_request_that_cannot_be_started_delays_no_other(
    tenant: Tenant, temporal_client: Client
) -> None:
    subjects = [_ABSURD, uuid4()]
    waiting = [Waiting([], tenant.id, "notification", each, 1) for each in subjects]
    await start_waiting(temporal_client, waiting)
    started = temporal_client.get_workflow_handle(notification_id(subjects[1]))
    assert await started.result() == {"deliveries": 0}
