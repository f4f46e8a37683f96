"""When a request looks again at an integration through which nothing is sent."""

import pytest

from activities.notification.backlog import stand_still
from activities.notification.batch import LaneKey
from storage.notification.leases import LEASE_SECONDS
from tests.storage.notification.due import Due


async def wait(due: Due, *, deleted: bool = False) -> float | None:
    key = LaneKey(due.tenant_id, due.request_id, due.integration_id)
    integration = None if deleted else due.integration()
    async with due.database.statements(due.tenant_id) as sql:
        return (await stand_still(sql, key, integration)).wait


async def test_what_is_due_ends_with_its_life(due: Due) -> None:
    await due.add(seconds=900)
    await due.add(seconds=600)
    assert await wait(due) == pytest.approx(600, abs=2)


async def test_a_due_delivery_does_not_hide_a_lost_send(due: Due) -> None:
    """Otherwise the attempt of a dead worker would stay open."""
    await due.add(4, 4)
    await due.claim(1)
    assert await wait(due) == pytest.approx(LEASE_SECONDS, abs=2)


async def test_what_was_being_sent_when_its_integration_was_deleted_is_seen_to(due: Due) -> None:
    await due.add(4, 4)
    await due.claim(1)
    assert await wait(due, deleted=True) == pytest.approx(LEASE_SECONDS, abs=2)
