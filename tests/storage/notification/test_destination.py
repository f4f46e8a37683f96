"""How answers change a destination: in doubt, probed, trusted again, or at rest."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.integration.outcome import FailureClass
from domain.notification.backoff import REFUSED
from storage.notification import deliveries as delivery
from storage.notification import destinations as destination
from storage.notification import outbox
from storage.notification import parked as waiting
from storage.notification.claimed import Claimed
from tests.blocked import until_blocked
from tests.storage.notification.due import Due, Row, ids

_REFUSED = {"kind": FailureClass.MISCONFIGURED, "wait": 5.0, "doubts_destination": True}
_THROTTLED = {"kind": FailureClass.THROTTLED, "wait": 900.0}
_REQUEST = "select request_id from tenant.notification_deliveries where id ="
lanes = pytest.mark.parametrize(
    ("idempotent", "interval"), [(True, None), (True, 0.001), (False, None)]
)


async def probe_now(due: Due) -> None:
    await due.rows("update tenant.delivery_rates set probe_at = now(), free_at = now() returning 1")


async def rested(due: Due) -> None:
    await due.rows(
        "update tenant.delivery_rates set rests_until = now(), free_at = now() returning 1"
    )


class TestDoubt:
    @lanes
    async def test_one_probes_and_less_and_less_often(
        self, due: Due, idempotent: bool, interval: float | None
    ) -> None:
        await due.add(*[4] * 30)
        want = 1
        for times, wait in enumerate([*REFUSED.delays, REFUSED.delays[-1]], 1):
            claimed = await due.claim(want, idempotent=idempotent, interval=interval)
            assert len(claimed) == 1
            await due.end(claimed[0], "retrying", **_REFUSED)
            place = await due.place()
            assert (place["probes"], place["probe"]) == (times, pytest.approx(wait, abs=1))
            want = 100
            assert await due.claim(want, idempotent=idempotent, interval=interval) == []
            await probe_now(due)

    async def test_what_was_on_its_way_beside_the_first_is_no_further_evidence(
        self, due: Due
    ) -> None:
        await due.add(4, 4, 4)
        for each in await due.claim(3):
            await due.end(each, "retrying", **_REFUSED)
        place = await due.place()
        assert (place["probes"], place["probe"]) == (1, pytest.approx(5, abs=1))

    @pytest.mark.parametrize("way", ["cancelled", "expired"])
    async def test_the_next_delivery_probes_if_the_prober_is_cancelled_or_expires(
        self, due: Due, way: str
    ) -> None:
        [first] = await due.add(4)
        [second] = await due.add(4)
        [claimed] = await due.claim(1)
        await due.end(claimed, "retrying", **_REFUSED)
        await due.woken()
        if way == "cancelled":
            async with due.database.tenant(due.tenant_id) as connection:
                assert await delivery.cancel(connection, first)
        else:
            await due.set(first, deadline_at=-1)
            async with due.database.statements(due.tenant_id) as sql:
                [row] = await due.rows(f"{_REQUEST} '{first}'")
                await delivery.expire(sql, row["request_id"], due.integration_id)
        [row] = await due.rows(f"{_REQUEST} '{second}'")
        assert await due.woken() == [row["request_id"]]

    async def test_a_refusal_beside_a_success_doubts_no_destination(self, due: Due) -> None:
        await due.add(4, 4, 4, 4)
        refused, fine, *rest = await due.claim(4)
        outcomes = [due.outcome(refused, "retrying", **_REFUSED), due.outcome(fine)]
        await due.end_all(outcomes)
        await due.release(rest)
        assert len(await due.claim(100)) == 2

    async def test_a_probe_that_arrives_wakes_what_waits_there(self, due: Due) -> None:
        await due.add(*[4] * 5)
        await due.end((await due.claim(1))[0], "retrying", **_REFUSED)
        await probe_now(due)
        [probe] = await due.claim(100)
        await due.end(probe)
        assert await due.woken() == [due.request_id]
        # The refused delivery still waits for its own back-off.
        assert len(await due.claim(100)) == 3

    async def test_a_success_elsewhere_brings_the_probe_forward_but_not_at_once(
        self, due: Due
    ) -> None:
        await due.add(4, 4, to="a")
        await due.add(*[4] * 9, to="b")
        [claimed] = await due.claim(1, idempotent=False)
        assert claimed.destination == "a"
        await due.end(claimed, "retrying", **_REFUSED)
        await due.rows(
            "update tenant.delivery_rates set probes = 5, probe_at = probed_at"
            " + interval '30 min' where destination = 'a' returning 1"
        )
        for _ in range(3):
            [fine] = await due.claim(1, idempotent=False)
            assert fine.destination == "b"
            await due.end(fine)
            place = await due.place("a")
            assert place["probe"] == pytest.approx(1_800 / 4, abs=3)
        assert await due.woken() == [due.request_id]

    async def test_the_one_that_can_probe_sooner_is_woken_for_it(self, due: Due) -> None:
        """The refused delivery waits for its own time; a later one was never tried."""
        await due.add(4, to="a")
        [refused] = await due.claim(1, idempotent=False)
        await due.end(refused, "retrying", **_REFUSED | {"wait": 1_800.0})
        later = replace(due, request_id=uuid4())
        await later.add(4, to="a")
        await due.rows(
            "update tenant.delivery_rates set probes = 5, probe_at = probed_at"
            " + interval '30 min' where destination = 'a' returning 1"
        )
        await due.add(4, to="b")
        [fine] = await due.claim(1, idempotent=False)
        await due.end(fine)
        assert await due.woken() == [later.request_id]

    async def test_a_refusal_of_an_earlier_version_doubts_no_destination(self, due: Due) -> None:
        """The send was in flight when somebody corrected the integration."""
        await due.add(4, 4)
        [old, other] = await due.claim(2)
        await due.release([other])
        await due.rows("update tenant.integrations set version = 2 returning 1")
        await due.end_all([due.outcome(old, "retrying", **_REFUSED | {"wait": 3_600.0})])
        assert len(await due.claim(100)) == 2

    async def test_a_throttling_of_an_earlier_version_begins_no_rest(self, due: Due) -> None:
        await due.add(4, 4)
        [old] = await due.claim(1)
        await due.rows("update tenant.integrations set version = 2 returning 1")
        throttled = {"kind": FailureClass.THROTTLED, "wait": 2.0, "rest": 3_600.0}
        await due.end(old, "retrying", **throttled)
        assert len(await due.claim(100)) == 2

    async def test_a_success_of_an_earlier_version_ends_no_doubt(self, due: Due) -> None:
        await due.add(4, 4)
        [first, second] = await due.claim(2)
        await due.rows("update tenant.integrations set version = 2 returning 1")
        await due.end_all([due.outcome(first, "retrying", **_REFUSED)], version=2)
        await due.end(second)
        assert await due.claim(100) == []

    async def test_a_probe_refused_for_its_own_content_wakes_the_next_one(self, due: Due) -> None:
        """The event was refused for its own content, which says nothing about the destination."""
        await due.add(4, 4)
        for each in await due.claim(2):
            await due.end(each, "retrying", **_REFUSED)
        later = replace(due, request_id=uuid4())
        await later.add(4)
        await due.woken()
        await probe_now(due)
        [probe] = await due.claim(1)
        await due.end(probe, "failed", kind=FailureClass.PERMANENT)
        assert await due.woken() == [due.request_id]

    async def test_a_change_wakes_everything_once(self, due: Due) -> None:
        await due.add(*[4] * 3)
        for each in await due.claim(3):
            await due.end(each, "retrying", **_REFUSED | {"wait": 3_600.0, "rest": 3_600.0})
        assert await due.claim(100) == []
        async with due.database.tenant(due.tenant_id) as connection:
            assert await waiting.wake(connection, due.integration_id) == {due.request_id}
        assert await due.woken() == [due.request_id]
        assert len(await due.claim(100)) == 3

    @pytest.mark.parametrize("by_success", [True, False])
    async def test_a_reason_to_wake_is_not_lost_to_the_signal_for_an_earlier_one(
        self, due: Due, by_success: bool
    ) -> None:
        """A worker that has signalled deletes only the rows that it read, and none added since."""

        async def reason() -> None:
            if by_success:
                await probe_now(due)
                [probe] = await due.claim(1)
                await due.end(probe)
            else:
                async with due.database.tenant(due.tenant_id) as connection:
                    await waiting.wake(connection, due.integration_id)

        await due.add(4, 4, 4)
        await due.end((await due.claim(1))[0], "retrying", **_REFUSED)
        async with due.database.tenant(due.tenant_id) as connection:
            await waiting.note_wakes(connection, {due.request_id})
        signalled = [each for each in await due.waiting() if each.subject == due.request_id]
        await reason()
        await outbox.woken(due.database, [id for each in signalled for id in each.rows])
        [left] = [each for each in await due.waiting() if each.subject == due.request_id]
        assert left.kind == "wake"

    async def test_several_reasons_are_one_signal(self, due: Due) -> None:
        for _ in range(3):
            async with due.database.tenant(due.tenant_id) as connection:
                await waiting.note_wakes(connection, {due.request_id})
        [one] = [each for each in await due.waiting() if each.subject == due.request_id]
        await outbox.woken(due.database, one.rows)
        assert due.request_id not in {each.subject for each in await due.waiting()}


_ROW = "select from tenant.delivery_rates where destination = $1 for update"


class TestLocks:
    """Several destinations are locked in one order."""

    async def doubted(self, due: Due) -> Claimed:
        """Two destinations in doubt; the delivery that probes the second one."""
        for to in ("A", "b"):
            await due.add(4, 4, 4, to=to)
            for each in await due.claim(2):
                await due.end(each, "retrying", **_REFUSED)
        await probe_now(due)
        found = {each.destination: each for each in await due.claim(100)}
        await due.rows(
            "update tenant.delivery_rates set probe_at = now() + interval '1 h' returning 1"
        )
        return found["b"]

    async def test_a_success_does_not_lock_its_destination_while_it_waits_for_another(
        self, due: Due
    ) -> None:
        probe = await self.doubted(due)
        async with due.database.statements(due.tenant_id) as sql:
            await sql.run(_ROW, "A")
            mine = await sql.value("select pg_backend_pid()")
            recording = asyncio.create_task(due.end(probe))
            await until_blocked(due.rows, mine)
            assert await sql.rows(Row, f"{_ROW} nowait", "b") == [{}]
        await recording
        assert (await due.place("b"))["probe"] is None


class TestRest:
    @lanes
    async def test_a_destination_at_rest_gets_nothing(
        self, due: Due, idempotent: bool, interval: float | None
    ) -> None:
        await due.add(4, 4, to="a")
        [other] = await due.add(4, to="b")
        [first] = await due.claim(1, idempotent=idempotent, interval=interval)
        throttled = {"kind": FailureClass.THROTTLED, "wait": 2.0, "rest": 1_800.0}
        await due.end(first, "retrying", **throttled)
        assert ids(await due.claim(100, idempotent=idempotent, interval=interval)) == [other]
        assert (await due.place("a"))["rest"] == pytest.approx(1_800, abs=2)

    @lanes
    async def test_rests_grow_until_something_arrives(
        self, due: Due, idempotent: bool, interval: float | None
    ) -> None:
        await due.add(*[4] * 30)
        for wait in (2, 4, 8, 16):
            [claimed] = await due.claim(1, idempotent=idempotent, interval=interval)
            await due.end(claimed, "retrying", **_THROTTLED)
            assert (await due.place())["rest"] == pytest.approx(wait, abs=1)
            assert await due.claim(100, idempotent=idempotent, interval=interval) == []
            await rested(due)
        [fine] = await due.claim(1, idempotent=idempotent, interval=interval)
        await due.end(fine)
        [claimed] = await due.claim(1, idempotent=idempotent, interval=interval)
        await due.end(claimed, "retrying", **_THROTTLED)
        assert (await due.place())["rest"] == pytest.approx(2, abs=1)

    @lanes
    async def test_a_named_rest_is_believed_once_and_grows_then(
        self, due: Due, idempotent: bool, interval: float | None
    ) -> None:
        await due.add(*[4] * 30)
        for wait in (1, 2, 4, 8):
            [claimed] = await due.claim(1, idempotent=idempotent, interval=interval)
            await due.end(claimed, "retrying", **_THROTTLED | {"rest": 1.0})
            assert (await due.place())["rest"] == pytest.approx(wait, abs=0.5)
            await rested(due)

    async def test_one_event_that_is_always_too_much_does_not_hold_up_the_others(
        self, due: Due
    ) -> None:
        """Its own wait grows; where others arrive, the destination rests for a moment."""
        await due.add(1, *[4] * 8)
        for _ in range(8):
            [much] = await due.claim(1)
            await due.end(much, "retrying", **_THROTTLED | {"wait": 3_600.0})
            assert (await due.place())["rest"] <= 2
            await rested(due)
            [fine] = await due.claim(1)
            await due.end(fine)
            await due.set(much.delivery_id, next_attempt_at=0)

    async def test_sends_in_flight_do_not_lengthen_a_rest(self, due: Due) -> None:
        await due.add(*[4] * 5)
        for each in await due.claim(5):
            await due.end(each, "retrying", **_THROTTLED)
        assert (await due.place())["rest"] == pytest.approx(2, abs=1)
        assert (await due.place())["probes"] == 1

    async def test_a_refusal_after_rests_counts_as_the_first(self, due: Due) -> None:
        await due.add(*[4] * 5)
        for _ in range(3):
            [claimed] = await due.claim(1)
            await due.end(claimed, "retrying", **_THROTTLED)
            await rested(due)
        [claimed] = await due.claim(1)
        await due.end(claimed, "retrying", **_REFUSED)
        assert (await due.place())["probe"] == pytest.approx(5, abs=1)

    async def test_after_a_very_long_rest_one_delivery_probes(self, due: Due) -> None:
        await due.add(*[4] * 4)
        [first] = await due.claim(1)
        much = {"kind": FailureClass.THROTTLED, "wait": 2.0, "rest": 3_600.0}
        await due.end(first, "retrying", **much, doubts_destination=True)
        place = await due.place()
        assert place["rest"] == pytest.approx(3_600, abs=2)
        assert place["probe"] == pytest.approx(3_600, abs=2)
        await due.rows(
            "update tenant.delivery_rates set rests_until = now(), probe_at = now() returning 1"
        )
        [probe] = await due.claim(100)
        await due.end(probe)
        place = await due.place()
        assert (place["probe"], place["probes"]) == (None, 0)
        assert place["rest"] <= 0

    async def test_a_success_of_a_send_in_flight_does_not_end_the_rest(self, due: Due) -> None:
        await due.add(*[4] * 5)
        refused, fast, fine, *_ = await due.claim(5)
        await due.end(refused, "retrying", **_REFUSED)
        await due.end(fast, "retrying", **_THROTTLED | {"rest": 60.0})
        await due.end(fine)
        place = await due.place()
        assert place["probe"] is None
        assert place["rest"] == pytest.approx(60, abs=2)

    async def lift(self, due: Due) -> None:
        async with due.database.statements(due.tenant_id) as sql:
            await destination.lift(sql, {(due.integration_id, ""), (uuid4(), "elsewhere")})

    async def test_a_resend_ends_the_rest(self, due: Due) -> None:
        [refused, _] = await due.add(4, 4)
        [first] = await due.claim(1)
        await due.end(first, "retrying", **_REFUSED | {"rest": 3_600.0})
        assert await due.claim(100) == []
        await self.lift(due)
        probe = ids(await due.claim(100))
        assert len(probe) == 1
        assert refused not in probe

    async def test_a_resend_doubts_no_destination(self, due: Due) -> None:
        await due.add(4, 4, 4)
        [first] = await due.claim(1, interval=0.1)
        await due.end(first, "retrying", **_THROTTLED)
        await self.lift(due)
        assert (await due.place())["probe"] is None
        assert len(await due.claim(100, interval=0.1)) == 2
