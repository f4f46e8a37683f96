"""An answer comes while a change of its integration is not committed yet."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from domain.integration.outcome import FailureClass
from storage.integration import integrations as integration
from storage.notification import parked as waiting
from tests.blocked import until_blocked
from tests.storage.notification.due import Due

_REFUSED = {"kind": FailureClass.MISCONFIGURED, "wait": 3_600.0, "doubts_destination": True}


async def test_a_refusal_meanwhile_neither_doubts_nor_delays(due: Due) -> None:
    [id] = await due.add(4)
    [claimed] = await due.claim(1)
    refusal = [due.outcome(claimed, "retrying", **_REFUSED)]
    async with due.database.tenant(due.tenant_id) as connection:
        await integration.change(connection, due.integration_id, {"config": {"a": "mended"}})
        await waiting.wake(connection, due.integration_id)
        mine = await connection.scalar(text("select pg_backend_pid()"))
        assert mine is not None
        recording = asyncio.create_task(due.end_all(refusal))
        await until_blocked(due.rows, mine)
    await recording
    assert await due.rows("select from tenant.delivery_rates where probe_at is not null") == []
    [row] = await due.rows(
        "select next_attempt_at - now() as left from tenant.notification_deliveries where id = $1",
        id,
    )
    assert row["left"] < timedelta(seconds=1)


async def test_a_success_meanwhile_is_recorded_at_once(due: Due) -> None:
    [id] = await due.add(4)
    [claimed] = await due.claim(1)
    async with due.database.tenant(due.tenant_id) as connection:
        await integration.change(connection, due.integration_id, {"config": {"a": "mended"}})
        async with asyncio.timeout(10):
            await due.end(claimed)
    assert await due.state(id) == ("delivered", 1)
