"""How changes of channels and integrations affect deliveries, also those in flight."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.integration.target import Target, Unusable
from activities.notification.batch import ClaimedBatch, LaneKey
from activities.notification.delivering import DeliverActivities
from domain.integration.outcome import FailureClass
from domain.redaction import Redactor
from integrations.channel import ChannelConfig
from storage.integration import integrations as integration
from storage.notification import attempts as attempt
from storage.notification import deliveries as delivery
from storage.notification import parked as waiting
from storage.notification import places
from storage.notification.claimed import Claimed
from storage.notification.routing import channels as channel
from storage.postgres.statement import as_json
from tests.blocked import until_blocked
from tests.storage.notification.due import Due, ids

_REFUSED = {"kind": FailureClass.MISCONFIGURED, "wait": 5.0, "doubts_destination": True}
_WAITS_FOR_ROUTING = (
    "select id from tenant.notification_deliveries where next_attempt_at is null"
    " and completed_at is null order by id"
)
_CHANNEL = """
insert into tenant.notification_channels (id, name, type, integration_id, config)
values ($1, 'ops', 'slack', $1, $2::jsonb) returning id
"""
_CHANGE = "update tenant.notification_channels set config = $1::jsonb returning 1"


@pytest.fixture
async def posting(due: Due) -> Due:
    """`due` with the channel of its deliveries."""
    await due.rows(_CHANNEL, due.integration_id, as_json({}))
    return due


async def waiting_for_routing(due: Due) -> list[UUID]:
    return [row["id"] for row in await due.rows(_WAITS_FOR_ROUTING)]


class TestChannels:
    async def changed(self, due: Due) -> set[UUID]:
        await due.rows(_CHANGE, as_json({"channel": "#ops"}))
        async with due.database.tenant(due.tenant_id) as connection:
            return await channel.route_refused_anew(connection, due.integration_id)

    async def test_a_change_reroutes_refused_deliveries_and_those_behind_them(
        self, posting: Due
    ) -> None:
        wrong = await posting.add(4, 1, 4, to="#opps")
        [other] = await posting.add(4, to="#elsewhere")
        [refused] = await posting.claim(1, idempotent=False)
        await posting.end(refused, "retrying", **_REFUSED)
        assert await self.changed(posting) == {posting.request_id}
        assert await waiting_for_routing(posting) == wrong
        assert ids(await posting.claim(100)) == [other]

    @pytest.mark.parametrize("idempotent", [True, False])
    async def test_a_send_in_flight_is_rerouted_if_it_is_refused(
        self, posting: Due, idempotent: bool
    ) -> None:
        [late] = await posting.add(4, to="#opps")
        [claimed] = await posting.claim(1, idempotent=idempotent)
        assert await self.changed(posting) == set()
        await posting.end(claimed, "retrying", **_REFUSED)
        assert await waiting_for_routing(posting) == [late]
        assert await posting.woken() == [posting.request_id]

    @pytest.mark.parametrize(
        "how",
        [
            {"kind": FailureClass.TRANSIENT, "wait": 5.0},
            {"kind": FailureClass.THROTTLED, "wait": 5.0, "rest": 5.0},
        ],
    )
    async def test_deliveries_with_other_failures_are_not_rerouted(
        self, posting: Due, how: dict[str, Any]
    ) -> None:
        await posting.add(4, to="#opps")
        [claimed] = await posting.claim(1)
        await self.changed(posting)
        await posting.end(claimed, "retrying", **how)
        assert await waiting_for_routing(posting) == []

    async def test_without_a_change_a_refused_delivery_is_not_rerouted(self, posting: Due) -> None:
        await posting.add(4, to="#opps")
        for _ in range(3):
            [claimed] = await posting.claim(1)
            await posting.end(claimed, "retrying", **_REFUSED)
            assert await waiting_for_routing(posting) == []
            assert await posting.claim(1) == []
            await posting.set(claimed.delivery_id, next_attempt_at=0)
            await posting.rows("update tenant.delivery_rates set probe_at = now() returning 1")


class TestIntegrations:
    """Answers to an earlier version of an integration do not change its present state."""

    async def said(self, due: Due, version: int, *, gone: bool = False) -> tuple[str, bool]:
        async with due.database.statements(due.tenant_id) as sql:
            integration = due.integration(version)
            await attempt.note_state(sql, integration, "misconfigured", "it says no", gone)
        query = "select connection_status, is_active from tenant.integrations"
        [row] = await due.rows(query)
        return row["connection_status"], row["is_active"]

    @pytest.mark.parametrize("gone", [True, False])
    async def test_an_answer_to_an_earlier_version_leaves_the_state(
        self, due: Due, gone: bool
    ) -> None:
        await due.rows("update tenant.integrations set version = 2 returning 1")
        assert await self.said(due, 1, gone=gone) == ("untested", True)
        assert await self.said(due, 2, gone=gone) == ("misconfigured", not gone)

    async def test_an_answer_to_an_earlier_version_teaches_no_names_of_places(
        self, due: Due
    ) -> None:
        await due.rows("update tenant.integrations set version = 2 returning 1")
        for version, known in ((1, {}), (2, {"ops": "C2"})):
            async with due.database.statements(due.tenant_id) as sql:
                await places.learn(sql, due.integration(version), "ops", f"C{version}")
            [row] = await due.rows("select places from tenant.integrations")
            assert row["places"] == known


class TestForgotten:
    """Requests whose workflow was terminated are found, so that the reaper can wake them."""

    async def forgotten(self, due: Due) -> list[UUID]:
        async with due.database.statements(due.tenant_id) as sql:
            return await delivery.forgotten(sql, 300.0)

    async def aged(self, due: Due, what: str) -> None:
        await due.add()
        query = f"update tenant.notification_deliveries set {what} returning 1"
        await due.rows(query)

    async def test_a_delivery_that_waits_to_be_routed_is_found(self, due: Due) -> None:
        await self.aged(due, "next_attempt_at = null")
        assert await self.forgotten(due) == []
        await self.aged(due, "next_attempt_at = null, updated_at = now() - interval '6 min'")
        assert await self.forgotten(due) == [due.request_id]

    async def test_a_delivery_of_a_deleted_integration_is_found(self, due: Due) -> None:
        await self.aged(due, "next_attempt_at = now() - interval '6 min'")
        await due.rows("update tenant.notification_deliveries set integration_id = $1", uuid4())
        assert await self.forgotten(due) == [due.request_id]

    async def test_a_delivery_of_a_switched_off_integration_is_not_found(self, due: Due) -> None:
        await self.aged(due, "next_attempt_at = now() - interval '6 min'")
        await due.rows("update tenant.integrations set is_active = false returning 1")
        assert await self.forgotten(due) == []

    async def test_a_delivery_in_a_moving_queue_is_not_found(self, due: Due) -> None:
        """Any workflow that sends there sends the delivery whose turn it is."""
        await due.add(4)
        await due.release(await due.claim(interval=1.0))
        await self.aged(due, "next_attempt_at = now() - interval '6 min'")
        assert await self.forgotten(due) == []
        await due.rows(
            "update tenant.delivery_rates set free_at = now() - interval '6 min' returning 1"
        )
        assert await self.forgotten(due) == [due.request_id]

    async def test_of_very_many_each_is_found_sooner_or_later(self, due: Due) -> None:
        await due.add(*[4] * 1_100)
        await due.rows("update tenant.notification_deliveries set request_id = id returning 1")
        await self.aged(due, "next_attempt_at = now() - interval '6 min'")
        found = [await self.forgotten(due) for _ in range(10)]
        assert {len(each) for each in found} == {1_000}
        assert len(set().union(*found)) == 1_101


class TestLocks:
    async def test_a_change_and_a_recording_cannot_deadlock(self, due: Due) -> None:
        """It holds the integration when an attempt is to be recorded, and comes to the deliveries
        and destinations then."""
        await due.add(4, 4)
        batch = refused(due, await due.claim(1, idempotent=False))
        connections = SimpleNamespace(
            database=due.database, vault=None, egress=None, public_url=None
        )
        delivering = DeliverActivities(connections)  # type: ignore[arg-type]
        stopping = ActivityEnvironment()
        async with due.database.tenant(due.tenant_id) as connection:
            await integration.find(connection, due.integration_id, lock=True)
            mine = int(await connection.scalar(text("select pg_backend_pid()")))
            recording = asyncio.create_task(stopping.run(delivering.round, batch.key, batch))
            await until_blocked(due.rows, mine)
            stopping.worker_shutdown()  # so that it sends no more than the window
            await connection.execute(text("set local lock_timeout = '500 ms'"))
            assert await waiting.wake(connection, due.integration_id) == {due.request_id}
        await recording
        assert await due.state(batch.claimed[0].delivery_id) == ("retrying", 1)


def refused(due: Due, claimed: list[Claimed]) -> ClaimedBatch:
    """A claimed batch of an integration that cannot be used."""
    target = Target(
        due.tenant_id, due.integration_id, Unusable("no"), ChannelConfig(), Redactor({})
    )
    key = LaneKey(due.tenant_id, due.request_id, due.integration_id)
    return ClaimedBatch(key, due.integration(), target, 1, claimed)
