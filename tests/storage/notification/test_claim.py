"""Which worker may send which delivery when, on a real server with many claimers."""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.integration.outcome import FailureClass
from storage.notification import claims as claim
from storage.notification import deliveries as delivery
from storage.notification import leases, places
from storage.notification.claimed import Claimed
from storage.notification.claims import AHEAD_SECONDS
from storage.notification.leases import LEASE_SECONDS
from storage.postgres.statement import Statements
from tests.blocked import until_blocked
from tests.storage.notification.due import Due, ids

_CLAIMERS = 8


class TestOrder:
    async def test_the_most_urgent_comes_first_then_the_oldest(self, due: Due) -> None:
        ranks = [4, 1, 3, 1, 2, 4, 1]
        added = await due.add(*ranks)
        wanted = [id for _, id in sorted(zip(ranks, added, strict=True))]
        one_by_one = [id for _ in range(3) for id in ids(await due.claim())]
        assert one_by_one + ids(await due.claim(100)) == wanted
        assert await due.claim(100) == []

    @pytest.mark.parametrize("idempotent", [True, False])
    async def test_where_the_most_urgent_goes_is_first(self, due: Due, idempotent: bool) -> None:
        await due.add(3, to="a")
        await due.add(4, to="b")
        [urgent] = await due.add(1, to="z")
        assert ids(await due.claim(1, idempotent=idempotent, interval=0.1)) == [urgent]

    async def test_events_of_one_alert_follow_each_other(self, due: Due) -> None:
        trigger, resolve = await due.add(4, 1, alert="incident_1")
        [other] = await due.add(4, alert="incident_2")
        claimed = await due.claim(100)
        assert ids(claimed) == [trigger, other]
        await due.end(claimed[0], "retrying", wait=0.0)
        [again] = await due.claim(100)
        assert (again.delivery_id, again.no) == (trigger, 2)
        await due.end(again)
        assert ids(await due.claim(100)) == [resolve]

    async def test_claimers_do_not_wait_for_each_other(self, due: Due) -> None:
        added = await due.add(*[4] * 10)
        lane = due.lane()
        async with (
            asyncio.timeout(10),
            due.database.statements(due.tenant_id) as one,
            due.database.statements(due.tenant_id) as other,
        ):
            first, second = await claim.claim(one, lane, 4), await claim.claim(other, lane, 100)
        assert sorted(ids(first) + ids(second)) == added
        assert len(first) == 4

    async def test_many_claimers_never_share(self, due: Due) -> None:
        added = await due.add(*[4] * 60)

        async def claims() -> list[UUID]:
            found: list[UUID] = []
            while claimed := await due.claim(random.randint(1, 5)):
                found += ids(claimed)
            return found

        found = await asyncio.gather(*(claims() for _ in range(_CLAIMERS)))
        assert sorted(id for each in found for id in each) == sorted(added)


class TestRates:
    async def test_slots_are_as_far_apart_as_the_rate_says_whoever_claims(self, due: Due) -> None:
        interval = 0.07
        await due.add(*[4] * 40)
        claims: list[tuple[float, list[float]]] = []  # when the next may be sent, and the slots

        async def claim_some() -> None:
            for _ in range(5):
                async with due.database.statements(due.tenant_id) as sql:
                    lane = due.lane(interval=interval)
                    claimed = await claim.claim(sql, lane, random.randint(1, 3))
                    free_at = await sql.value(_FREE)
                if claimed:
                    clock = time.time() - time.monotonic()
                    claims.append((free_at, [each.at + clock for each in claimed]))

        await asyncio.gather(*(claim_some() for _ in range(_CLAIMERS)))
        assert len(claims) > 5
        for (free_at, _), (_, slots) in pairwise(sorted(claims)):
            assert slots[0] >= free_at - 0.001
        for _, slots in claims:
            assert all(b - a == pytest.approx(interval, abs=1e-4) for a, b in pairwise(slots))

    async def test_slots_are_given_away_a_few_seconds_ahead_only(self, due: Due) -> None:
        await due.add(*[4] * 20)
        claimed = await due.claim(100, interval=1.0)
        assert len(claimed) == int(AHEAD_SECONDS) + 1
        assert max(each.at for each in claimed) <= time.monotonic() + AHEAD_SECONDS
        [urgent] = await due.add(1)
        assert await due.claim(100, interval=1.0) == []
        await due.rows("update tenant.delivery_rates set free_at = now() returning 1")
        assert ids(await due.claim(1, interval=1.0)) == [urgent]

    async def test_destinations_have_rates_of_their_own(self, due: Due) -> None:
        for place in ("a", "b", "c"):
            await due.add(4, 4, to=place)
        claimed = await due.claim(100, idempotent=False, interval=1.0)
        assert sorted(each.destination for each in claimed) == ["a", "b", "c"]
        assert all(each.at <= time.monotonic() for each in claimed)

    @pytest.mark.parametrize(("idempotent", "interval"), [(True, None), (True, 0.1), (False, 0.1)])
    async def test_a_destination_that_asks_for_it_is_left_alone(
        self, due: Due, idempotent: bool, interval: float | None
    ) -> None:
        await due.add(4, 4, to="a")
        [other] = await due.add(to="b")
        [first, *_] = await due.claim(1, idempotent=idempotent, interval=interval)
        throttled = FailureClass.THROTTLED
        await due.end(first, "retrying", kind=throttled, wait=30.0, pause=30.0)
        assert ids(await due.claim(100, idempotent=idempotent, interval=interval)) == [other]
        await due.rows(
            "update tenant.delivery_rates set free_at = now(), rests_until = now() returning 1"
        )
        [second] = await due.claim(100, idempotent=idempotent, interval=interval)
        assert second.destination == "a"
        assert second.delivery_id != first.delivery_id

    async def test_a_pause_is_never_made_shorter(self, due: Due) -> None:
        await due.add(4, 4, 4)
        claimed = await due.claim(2)
        throttled = FailureClass.THROTTLED
        for each, pause in zip(claimed, (30.0, 1.0), strict=True):
            await due.end(each, "retrying", kind=throttled, wait=pause, pause=pause)
        [row] = await due.rows(_FREE)
        assert row["at"] > time.time() + 25


class TestNames:
    """A destination has one rate, though it has a name of the user's and one of the vendor's."""

    async def learn(self, sql: Statements, due: Due) -> None:
        await places.learn(sql, due.integration(), "#ops", "C1")

    async def learnt(self, due: Due) -> None:
        async with due.database.statements(due.tenant_id) as sql:
            await self.learn(sql, due)

    async def test_what_is_routed_by_an_old_name_goes_by_the_rate_of_the_new(
        self, due: Due
    ) -> None:
        await due.add(4, to="#ops")
        [first] = await due.claim(1, idempotent=False, interval=60.0)
        await self.learnt(due)
        await due.end(first, "delivered")
        await due.add(4, to="#ops")  # by a worker that has read the names before
        assert await due.claim(1, idempotent=False, interval=60.0) == []
        free = "update tenant.delivery_rates set free_at = now()"
        await due.rows(f"{free} where destination = '#ops' returning 1")
        for _ in range(3):
            assert await due.claim(1, idempotent=False, interval=60.0) == []
        await due.rows(f"{free} returning 1")
        [second] = await due.claim(1, idempotent=False, interval=60.0)
        assert second.destination == "C1"

    async def test_no_two_places_stand_for_each_other(self, due: Due) -> None:
        """The config led to one channel and then to another; a third is called like the first."""
        for name, place in (("C1", "C2"), ("C2", "C1"), ("#ops", "C1"), ("C2", "C3")):
            async with due.database.statements(due.tenant_id) as sql:
                await places.learn(sql, due.integration(), name, place)
        await due.add(4, to="C1")
        await due.add(4, to="C2")
        assert any([await due.claim(1, idempotent=False, interval=0.001) for _ in range(3)])
        [row] = await due.rows("select places from tenant.integrations")
        assert row["places"] == {"C1": "C2"}

    async def test_a_claim_and_a_new_name_see_each_other(self, due: Due) -> None:
        await due.add(4, 4, to="#ops")
        lane = due.lane(idempotent=False, interval=60.0)
        async with due.database.statements(due.tenant_id) as sql:
            backend = await sql.value("select pg_backend_pid()")
            [first] = await claim.claim(sql, lane, 1)
            learning = asyncio.create_task(self.learnt(due))
            await until_blocked(due.rows, backend)
        await learning
        await due.end(first, "delivered")
        assert await due.claim(1, idempotent=False, interval=60.0) == []

    async def test_a_new_name_and_a_claim_see_each_other(self, due: Due) -> None:
        await due.add(4, to="#ops")
        [first] = await due.claim(1, idempotent=False, interval=60.0)
        await due.end(first, "delivered")
        await due.add(4, to="#ops")
        await due.rows("update tenant.delivery_rates set free_at = now() returning 1")
        async with due.database.statements(due.tenant_id) as sql:
            backend = await sql.value("select pg_backend_pid()")
            await self.learn(sql, due)
            claiming = asyncio.create_task(due.claim(1, idempotent=False, interval=60.0))
            await until_blocked(due.rows, backend)
        assert await claiming == []
        [second] = await due.claim(1, idempotent=False, interval=60.0)
        assert second.destination == "C1"


_ROUTED = (
    "update tenant.notification_deliveries set next_attempt_at = now(),"
    " deadline_at = now() + interval '1 h' returning 1"
)
_FREE = "select extract(epoch from free_at)::float8 as at from tenant.delivery_rates"


class TestOneAtATime:
    """Where the vendor does not recognise repetitions, deliveries are sent one by one."""

    async def test_long_queues_of_a_few_do_not_keep_the_others_waiting(self, due: Due) -> None:
        """There are more destinations than sends that the integration may have in flight."""
        for place in "abc":
            await due.add(*[4] * 9, to=place)
        [alone] = await due.add(4, to="z")
        sent: list[Claimed] = []
        for _ in range(3):
            for each in await due.claim(2, idempotent=False, interval=0.001):
                await due.end(each)
                sent.append(each)
        assert alone in ids(sent)
        assert {each.destination for each in sent} == set("abcz")

    async def test_a_destination_without_a_slot_takes_nobodys_place(self, due: Due) -> None:
        for place in "ab":
            await due.add(1, 1, to=place)
        for each in await due.claim(2, idempotent=False, interval=60.0):
            await due.end(each)
        [other] = await due.add(4, to="z")
        assert ids(await due.claim(2, idempotent=False, interval=60.0)) == [other]

    async def test_one_is_on_its_way_to_each_destination(self, due: Due) -> None:
        await due.add(4, 4, 4, to="a")
        await due.add(4, 4, to="b")
        first = await due.claim(100, idempotent=False)
        assert sorted(each.destination for each in first) == ["a", "b"]
        assert await due.claim(100, idempotent=False) == []
        [to_a] = [each for each in first if each.destination == "a"]
        await due.end(to_a)
        assert [each.destination for each in await due.claim(100, idempotent=False)] == ["a"]

    @pytest.mark.parametrize("interval", [None, 0.001])
    async def test_however_many_claim_at_once(self, due: Due, interval: float | None) -> None:
        added = await due.add(*[4] * 30, to="a")
        on_the_way: list[int] = []
        flying: set[UUID] = set()
        done: list[UUID] = []

        async def sends() -> None:
            while len(done) < len(added):
                claimed = await due.claim(3, idempotent=False, interval=interval)
                flying.update(ids(claimed))
                on_the_way.append(len(flying))
                await asyncio.sleep(0.01)  # the send
                flying.difference_update(ids(claimed))
                done.extend(ids(claimed))
                for each in claimed:
                    await due.end(each)

        async with asyncio.timeout(60):
            await asyncio.gather(*(sends() for _ in range(_CLAIMERS)))
        assert max(on_the_way) == 1
        assert sorted(done) == sorted(added)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, from the top down."""
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)


class TestFences:
    """An attempt's row is the permission to send; a worker that lost it changes nothing."""

    async def test_what_was_not_sent_is_as_it_was(self, due: Due) -> None:
        [id] = await due.add()
        claimed = await due.claim()
        await due.release(claimed)
        assert await due.state(id) == ("pending", 0)
        [again] = await due.claim()
        assert again.no == 1
        await due.end(again, "retrying", kind=FailureClass.TRANSIENT, wait=0.0)
        await due.release(await due.claim())
        assert await due.state(id) == ("retrying", 1)
        assert await due.classes(id) == [FailureClass.TRANSIENT]

    async def test_releasing_twice_does_not_release_the_next_claim(self, due: Due) -> None:
        """The answer to the first commit was lost."""
        [id] = await due.add()
        claimed = await due.claim()
        await due.release(claimed)
        [next] = await due.claim()
        assert next.no == claimed[0].no
        await due.release(claimed)
        assert await due.state(id) == ("sending", 1)

    async def test_a_worker_that_is_silent_for_too_long_is_taken_to_be_dead(self, due: Due) -> None:
        [id] = await due.add()
        await due.claim()
        await due.pass_time(LEASE_SECONDS - 1)
        await due.reclaim()
        assert await due.state(id) == ("sending", 1)
        await due.pass_time(2)
        await due.reclaim()
        assert await due.state(id) == ("retrying", 1)
        assert await due.classes(id) == [FailureClass.UNKNOWN]
        [again] = await due.claim()
        assert (again.delivery_id, again.no) == (id, 2)

    async def test_a_claim_that_waited_for_a_lock_begins_when_it_has_it(self, due: Due) -> None:
        await due.add(4)
        table = f"{due.tenant_id.schema}.delivery_attempts"
        async with due.database.tenant(due.tenant_id) as connection:
            await connection.execute(text(f"lock {table} in exclusive mode"))
            mine = await connection.scalar(text("select pg_backend_pid()"))
            assert mine is not None
            claiming = asyncio.create_task(due.claim(1))
            await until_blocked(due.rows, mine)
            released = await connection.scalar(text("select clock_timestamp()"))
        await claiming
        [row] = await due.rows(
            "select started_at, lease_until from tenant.delivery_attempts a"
            " join tenant.notification_deliveries d on d.id = a.delivery_id"
        )
        assert row["started_at"] >= released
        assert row["lease_until"] >= released + timedelta(seconds=LEASE_SECONDS)

    async def test_the_lost_are_looked_for_once_however_many_are_on_their_way(
        self, due: Due
    ) -> None:
        """A hundred hanging sends amid 20,000 deliveries slowed everybody else's."""
        await due.add(*[4] * 60)
        assert len(await due.claim(50)) == 50
        how = f"explain (analyze, format json) {leases._RECLAIM}"
        [row] = await due.rows(how, due.integration_id, [1.0])
        [plan] = row["QUERY PLAN"]
        read = [e for e in nodes(plan["Plan"]) if "Scan" in e["Node Type"]]
        table = "notification_deliveries"
        loops = [each["Actual Loops"] for each in read if each.get("Relation Name") == table]
        assert loops
        assert max(loops) <= 1

    async def test_a_worker_that_comes_back_does_not_end_the_newer_attempt(self, due: Due) -> None:
        [id] = await due.add()
        first, second = await self._taken_over(due)
        await due.end(first, "failed", kind=FailureClass.PERMANENT)
        assert await due.state(id) == ("sending", 2)
        await due.release([first])
        assert await due.state(id) == ("sending", 2)
        await due.end(second)
        assert await due.state(id) == ("delivered", 2)
        assert await due.classes(id) == [FailureClass.UNKNOWN, None]

    async def test_a_worker_that_comes_back_does_not_reopen_an_ended_delivery(
        self, due: Due
    ) -> None:
        [id] = await due.add()
        first, second = await self._taken_over(due)
        await due.end(second)
        await due.end(first, "retrying", kind=FailureClass.TRANSIENT, wait=0.0)
        await due.end(second, "retrying", kind=FailureClass.TRANSIENT, wait=0.0)
        assert await due.state(id) == ("delivered", 2)
        assert await due.claim() == []

    async def _taken_over(self, due: Due) -> tuple[Claimed, Claimed]:
        [first] = await due.claim()
        await due.pass_time(LEASE_SECONDS + 1)
        await due.reclaim()
        [second] = await due.claim()
        return first, second

    @pytest.mark.parametrize("way", ["ends", "releases"])
    async def test_the_first_send_does_not_end_a_resend_after_a_cancellation(
        self, due: Due, way: str
    ) -> None:
        [id] = await due.add()
        [first] = await due.claim()
        async with due.database.tenant(due.tenant_id) as connection:
            assert await delivery.cancel(connection, id)
            await delivery.resend(connection, [id])
        assert await due.claim() == []  # until it is routed anew
        await due.rows(_ROUTED)
        [second] = await due.claim()
        if way == "ends":
            await due.end(first, "retrying", kind=FailureClass.TRANSIENT, wait=0.0)
        else:
            await due.release([first])
        assert await due.state(id) == ("sending", 2)
        await due.end(second)
        assert await due.state(id) == ("delivered", 2)

    async def test_a_cancelled_delivery_stays_cancelled_although_it_arrives(self, due: Due) -> None:
        [id] = await due.add()
        [claimed] = await due.claim()
        async with due.database.tenant(due.tenant_id) as connection:
            await delivery.cancel(connection, id)
        await due.end(claimed)
        assert await due.state(id) == ("cancelled", 1)
        assert await due.classes(id) == [None]

    async def test_a_delivery_past_its_deadline_expires_unsent(self, due: Due) -> None:
        [late] = await due.add(seconds=-1)
        [early] = await due.add()
        claimed = await due.claim(100)
        assert ids(claimed) == [early]
        async with due.database.statements(due.tenant_id) as sql:
            await delivery.expire(sql, due.request_id, due.integration_id)
        assert await due.state(late) == ("expired", 0)
        assert await due.state(early) == ("sending", 1)

    @pytest.mark.parametrize("maybe_sent", [True, False])
    async def test_an_expired_delivery_says_whether_it_may_have_arrived(
        self, due: Due, maybe_sent: bool
    ) -> None:
        """Example: a 503, which does not count as doubtful."""
        [id] = await due.add()
        [claimed] = await due.claim()
        failed = {"kind": "transient", "wait": 5.0, "error": "503", "maybe_sent": maybe_sent}
        await due.end(claimed, "retrying", **failed)
        await due.set(id, deadline_at=-1)
        async with due.database.statements(due.tenant_id) as sql:
            await delivery.expire(sql, due.request_id, due.integration_id)
        [row] = await due.rows("select last_error from tenant.notification_deliveries")
        assert row["last_error"].startswith("503")
        assert ("may have arrived" in row["last_error"]) is maybe_sent


class TestLongSends:
    """A mail server may take ten minutes to say that it has a mail."""

    async def test_a_renewed_lease_keeps_others_from_the_delivery(self, due: Due) -> None:
        [id] = await due.add()
        [claimed] = await due.claim(idempotent=False)
        await due.pass_time(LEASE_SECONDS - 1)
        async with due.database.statements(due.tenant_id) as sql:
            await leases.renew(sql, claimed)
        await due.pass_time(LEASE_SECONDS - 1)
        await due.reclaim()
        assert await due.state(id) == ("sending", 1)
        await due.pass_time(2)
        await due.reclaim()
        assert await due.state(id) == ("retrying", 1)

    async def test_a_lease_cannot_be_renewed_after_a_take_over(self, due: Due) -> None:
        [id] = await due.add()
        [claimed] = await due.claim(idempotent=False)
        await due.pass_time(LEASE_SECONDS + 1)
        await due.reclaim()
        async with due.database.statements(due.tenant_id) as sql:
            await leases.renew(sql, claimed)
        [again] = await due.claim(idempotent=False)
        assert (again.delivery_id, again.no, again.repeated) == (id, 2, True)

    async def test_a_delivery_that_stops_workers_is_tried_less_and_less(self, due: Due) -> None:
        [id] = await due.add()
        for is_last in (False, False, True):
            assert await due.claim()
            await due.pass_time(LEASE_SECONDS + 1)
            await due.reclaim()
            if not is_last:
                await due.set(id, next_attempt_at=0)
        [row] = await due.rows(
            "select doubts, extract(epoch from next_attempt_at - now())::float8 as wait"
            " from tenant.notification_deliveries"
        )
        assert row["doubts"] == 3
        assert row["wait"] > 50
