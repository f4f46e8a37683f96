"""Requests in the outbox are started and woken independently of each other."""

import asyncio
from typing import cast
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client

from activities.notification import outbox
from activities.notification.outbox import keep_starting, start_waiting
from storage.notification.outbox import Waiting
from storage.postgres.database import Database
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


async def test_an_unexpected_error_does_not_end_the_looks(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = asyncio.Semaphore(0)

    async def look(*_: object) -> None:
        looks.release()
        raise RuntimeError("a fault of this program")

    monkeypatch.setattr(outbox, "_look", look)
    monkeypatch.setattr(outbox, "_EVERY_SECONDS", 0.01)
    looking = asyncio.create_task(keep_starting(temporal_client, cast(Database, None)))
    async with asyncio.timeout(10):
        for _ in range(3):
            await looks.acquire()
    looking.cancel()
