"""The order in which an entity's events reach a channel, and what is superseded where it shows a
state."""

import random
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.integration.outcome import FailureClass
from tests.storage.notification.due import Due, ids

_ALERT = "incident_INC7"
_TRANSIENT = FailureClass.TRANSIENT


class TestFollowing:
    @pytest.mark.parametrize("idempotent", [True, False])
    async def test_one_of_an_entity_is_on_its_way_at_a_time(
        self, due: Due, idempotent: bool
    ) -> None:
        first, second, third = await due.add(4, 4, 4, alert=_ALERT)
        for wanted in (first, second, third):
            claimed = await due.claim(100, idempotent=idempotent)
            assert ids(claimed) == [wanted]
            assert await due.claim(100, idempotent=idempotent) == []
            await due.end(claimed[0])

    async def test_a_short_back_off_is_waited_for(self, due: Due) -> None:
        first, second = await due.add(4, 4, alert=_ALERT)
        [claimed] = await due.claim(100)
        await due.end(claimed, "retrying", kind=_TRANSIENT, wait=5.0)
        assert await due.claim(100) == []
        await due.set(first, next_attempt_at=0)
        assert ids(await due.claim(100)) == [first]
        assert await due.state(second) == ("pending", 0)

    @pytest.mark.parametrize("wait", [15.0, 3_600.0, 80_000.0])
    async def test_a_long_back_off_is_overtaken_and_the_late_event_names_the_latest(
        self, due: Due, wait: float
    ) -> None:
        first, second = await due.add(4, 4, alert=_ALERT)
        [claimed] = await due.claim(100)
        assert claimed.latest is None
        await due.end(claimed, "retrying", kind=_TRANSIENT, wait=wait)
        [later] = await due.claim(100)
        assert (later.delivery_id, later.latest) == (second, None)
        await due.end(later)
        await due.set(first, next_attempt_at=0)
        [late] = await due.claim(100)
        assert late.delivery_id == first
        assert late.latest is not None
        assert late.latest.event_type == "incident.trigger"
        assert late.latest.created_at >= late.notification["created_at"]

    async def test_a_page_is_not_late_because_a_queue_is_long(self, due: Due) -> None:
        """At a low rate, less urgent events may stand in the queue for hours."""
        await due.add(*[2] * 9)
        [info] = await due.add(4, alert=_ALERT)
        [page] = await due.add(1, alert=_ALERT)
        assert page not in ids(await due.claim(1, interval=1.0))
        await due.set(page, created_at=-6)
        await due.rows("update tenant.delivery_rates set free_at = now() returning 1")
        [claimed] = await due.claim(1, interval=1.0)
        assert claimed.delivery_id == page
        await due.rows("update tenant.delivery_rates set free_at = now() returning 1")
        assert info not in ids(await due.claim(100, idempotent=True))  # not beside it
        await due.end(claimed)
        await due.rows("update tenant.delivery_rates set free_at = now() returning 1")
        [late] = [e for e in await due.claim(100) if e.delivery_id == info]
        assert late.latest is not None

    async def test_events_of_another_recipient_or_entity_do_not_wait(self, due: Due) -> None:
        [a] = await due.add(4, alert=_ALERT, recipient="a@example.com")
        [b] = await due.add(4, alert=_ALERT, recipient="b@example.com")
        [other] = await due.add(4, alert="incident_INC8")
        assert sorted(ids(await due.claim(100))) == sorted([a, b, other])

    async def test_no_event_waits_for_an_expired_one(self, due: Due) -> None:
        first, second = await due.add(4, 4, alert=_ALERT)
        await due.set(first, deadline_at=-1)
        assert ids(await due.claim(100)) == [second]

    async def test_each_is_told_once_whatever_the_order_of_their_ranks(self, due: Due) -> None:
        """No two wait for each other: sooner or later all are sent."""
        added = await due.add(4, 1, 3, 1, 2, 4, 1, alert=_ALERT)
        for place, id in enumerate(added):
            await due.set(id, created_at=4.0 * (place - len(added)))
        sent = []
        while claimed := await due.claim(100):
            assert len(claimed) == 1
            sent += ids(claimed)
            await due.end(claimed[0])
        assert sorted(sent) == sorted(added)


class TestTurn:
    """When the workflow of a delivery that waits for another one looks again."""

    @pytest.mark.parametrize("hours", [0, 8, 70])
    async def test_a_delivery_behind_one_in_flight_is_looked_at_soon(
        self, due: Due, hours: int
    ) -> None:
        """As after an outage: the one before it is sent within a second, by another workflow."""
        await due.add(4, alert=_ALERT)
        await due.claim(1)
        due = replace(due, request_id=uuid4())
        [second] = await due.add(4, alert=_ALERT)
        await due.set(second, created_at=-3_600.0 * hours)
        assert await due.estimate_wait() <= 30

    async def test_the_wait_follows_from_the_number_ahead(self, due: Due) -> None:
        await due.add(*[4] * 5)
        due = replace(due, request_id=uuid4())
        await due.add(4)
        assert await due.estimate_wait(31.5) == pytest.approx(4 * 31.5, abs=1)

    async def test_the_wait_is_bounded_as_those_ahead_may_be_cancelled(self, due: Due) -> None:
        await due.add(*[4] * 100)
        due = replace(due, request_id=uuid4())
        await due.add(4)
        assert await due.estimate_wait(31.5) <= 301

    async def test_expired_deliveries_do_not_count_as_ahead(self, due: Due) -> None:
        """The expired delivery's own request ends it when it looks again."""
        await due.add(*[4] * 3, seconds=-1)
        due = replace(due, request_id=uuid4())
        await due.add(4)
        assert await due.estimate_wait(31.5) < 1

    async def test_an_acknowledgements_is_after_its_triggers(self, due: Due) -> None:
        [trigger] = await due.add(4, alert=_ALERT)
        await due.set(trigger, next_attempt_at=1_800)
        due = replace(due, request_id=uuid4())
        [acknowledge] = await due.add(4, alert=_ALERT, action="acknowledge")
        await due.set(acknowledge, created_at=-60)
        assert await due.estimate_wait(stateful=True) == pytest.approx(1_800, abs=2)
        await due.set(trigger, next_attempt_at=-600)
        assert await due.estimate_wait(stateful=True) <= 30


class TestStates:
    """PagerDuty, and every channel that shows a state."""

    async def claim(self, due: Due) -> list[str]:
        await due.rows("update tenant.delivery_rates set free_at = now() returning 1")
        claimed = await due.claim(100, interval=0.001, stateful=True)
        self.claimed = {str(each.delivery_id): each for each in claimed}
        return list(self.claimed)

    async def failed(self, due: Due, wait: float = 900.0) -> None:
        for each in self.claimed.values():
            await due.end(each, "retrying", kind=_TRANSIENT, wait=wait)

    async def told(self, due: Due) -> None:
        for each in self.claimed.values():
            await due.end(each)

    async def reason(self, due: Due, id: object) -> tuple[str, str | None]:
        query = "select status, reason from tenant.notification_deliveries where id = $1"
        [row] = await due.rows(query, id)
        return row["status"], row["reason"]

    async def test_fresh_events_are_sent_in_order(self, due: Due) -> None:
        [trigger] = await due.add(1, alert=_ALERT)
        [resolve] = await due.add(4, alert=_ALERT, action="resolve")
        assert await self.claim(due) == [str(trigger)]
        await self.told(due)
        assert await self.claim(due) == [str(resolve)]

    @pytest.mark.parametrize("waiting", ["trigger", "acknowledge"])
    async def test_a_resolve_replaces_what_waits(self, due: Due, waiting: str) -> None:
        [stale] = await due.add(1, alert=_ALERT, action=waiting)
        await self.claim(due)
        await self.failed(due)
        [resolve] = await due.add(4, alert=_ALERT, action="resolve")
        assert await self.claim(due) == [str(resolve)]
        assert await self.reason(due, stale) == ("superseded", "replaced_by_resolve")

    async def test_a_trigger_takes_over_the_urgency_of_those_it_replaces(self, due: Due) -> None:
        first, second = await due.add(1, 3, alert=_ALERT)
        await self.claim(due)
        await self.failed(due)
        await due.set(second, created_at=-60)
        [last] = await due.add(4, alert=_ALERT)
        assert await self.claim(due) == [str(last)]
        assert self.claimed[str(last)].rank == 1
        for stale in (first, second):
            assert await self.reason(due, stale) == ("superseded", "replaced_by_trigger")

    async def test_a_page_replaces_what_is_less_urgent_at_once(self, due: Due) -> None:
        [info] = await due.add(4, alert=_ALERT)
        [page] = await due.add(1, alert=_ALERT)
        assert await self.claim(due) == [str(page)]
        assert await self.reason(due, info) == ("superseded", "replaced_by_trigger")

    async def test_an_acknowledgement_waits_for_its_trigger(self, due: Due) -> None:
        [trigger] = await due.add(1, alert=_ALERT)
        await self.claim(due)
        await self.failed(due)
        [early] = await due.add(4, alert=_ALERT, action="acknowledge")
        await due.set(early, created_at=-600)
        [late] = await due.add(4, alert=_ALERT, action="acknowledge")
        assert await self.claim(due) == []
        assert await self.reason(due, early) == ("superseded", "replaced_by_acknowledge")
        assert await self.reason(due, trigger) == ("retrying", None)
        await due.set(trigger, next_attempt_at=0)
        assert await self.claim(due) == [str(trigger)]
        await self.told(due)
        assert await self.claim(due) == [str(late)]

    @pytest.mark.parametrize("rank", [1, 2, 4])
    async def test_an_urgent_acknowledgement_does_not_keep_its_trigger_waiting(
        self, due: Due, rank: int
    ) -> None:
        """Otherwise neither would ever be sent."""
        [trigger] = await due.add(3, alert=_ALERT)
        await self.claim(due)
        await self.failed(due)
        [acknowledge] = await due.add(rank, alert=_ALERT, action="acknowledge")
        await due.set(acknowledge, created_at=-600)
        await due.set(trigger, next_attempt_at=0, created_at=-900)
        assert await self.claim(due) == [str(trigger)]
        await self.told(due)
        assert await self.claim(due) == [str(acknowledge)]

    @pytest.mark.parametrize("seed", range(12))
    async def test_every_event_is_sent_or_replaced_in_the_end(self, due: Due, seed: int) -> None:
        """No circle of events that wait for each other for more than a few seconds, whatever each
        is and has waited."""
        chosen = random.Random(seed)
        for _ in range(8):
            action = chosen.choice(("trigger", "acknowledge", "resolve"))
            [id] = await due.add(chosen.randint(1, 4), alert=_ALERT, action=action)
            await due.set(id, created_at=-chosen.choice((0.0, 8.0, 60.0)))
        while await self.claim(due):
            await self.told(due)
        await due.rows(
            "update tenant.notification_deliveries set created_at = now() - interval '60 s'"
            " returning 1"
        )
        while await self.claim(due):
            await self.told(due)
        query = "select status from tenant.notification_deliveries where completed_at is null"
        assert await due.rows(query) == []

    @pytest.mark.parametrize("late", ["trigger", "acknowledge", "resolve"])
    @pytest.mark.parametrize("told", ["trigger", "resolve"])
    async def test_nothing_follows_the_later_event_that_was_told(
        self, due: Due, late: str, told: str
    ) -> None:
        """Example: the request was routed late, because the API crashed after accepting it."""
        [stale] = await due.add(1, alert=_ALERT, action=late)
        await due.set(stale, next_attempt_at=600)
        [newest] = await due.add(4, alert=_ALERT, action=told)
        await due.rows(
            "update tenant.notification_deliveries set status = 'delivered',"
            " completed_at = now() where id = $1 returning 1",
            newest,
        )
        await due.set(stale, next_attempt_at=0)
        await due.add(4, alert="incident_INC8")
        assert str(stale) not in await self.claim(due)
        assert await self.reason(due, stale) == ("superseded", f"replaced_by_{told}")

    async def test_a_trigger_is_told_although_it_was_acknowledged_before(self, due: Due) -> None:
        [trigger] = await due.add(1, alert=_ALERT)
        [acknowledge] = await due.add(4, alert=_ALERT, action="acknowledge")
        await due.rows(
            "update tenant.notification_deliveries set status = 'delivered',"
            " completed_at = now() where id = $1 returning 1",
            acknowledge,
        )
        assert await self.claim(due) == [str(trigger)]

    @pytest.mark.parametrize("waited", [False, True])
    async def test_what_was_replaced_is_told_if_what_replaced_it_is_refused(
        self, due: Due, waited: bool
    ) -> None:
        [page] = await due.add(4 if not waited else 1, alert=_ALERT)
        if waited:
            await self.claim(due)
            await self.failed(due)
        [refused] = await due.add(1, alert=_ALERT)
        assert await self.claim(due) == [str(refused)]
        assert await self.reason(due, page) == ("superseded", "replaced_by_trigger")
        await due.end(self.claimed[str(refused)], "failed", kind=FailureClass.PERMANENT)
        assert await self.reason(due, page) == ("retrying" if waited else "pending", None)
        assert await due.woken() == [due.request_id]
        assert await self.claim(due) == [str(page)]

    async def test_a_replaced_event_is_not_restored_if_a_later_one_was_sent(self, due: Due) -> None:
        first, second = await due.add(4, 4, alert=_ALERT)
        await due.set(first, created_at=-60)
        await self.claim(due)
        await self.told(due)
        [refused] = await due.add(4, alert=_ALERT, action="resolve")
        await self.claim(due)
        await due.end(self.claimed[str(refused)], "failed", kind=FailureClass.PERMANENT)
        assert await self.reason(due, first) == ("superseded", "replaced_by_trigger")
        assert await due.state(second) == ("delivered", 1)

    async def test_an_event_that_expires_sooner_replaces_nothing(self, due: Due) -> None:
        """Otherwise no event would be sent if the replacing one expires."""
        [trigger] = await due.add(1, alert=_ALERT)
        await self.claim(due)
        await self.failed(due)
        await due.add(4, alert=_ALERT, seconds=60)
        await self.claim(due)
        assert await self.reason(due, trigger) == ("retrying", None)

    async def test_an_expired_event_or_one_to_another_recipient_replaces_nothing(
        self, due: Due
    ) -> None:
        [trigger] = await due.add(1, alert=_ALERT)
        await self.claim(due)
        await self.failed(due)
        [over] = await due.add(4, alert=_ALERT, action="resolve")
        await due.set(over, deadline_at=-1)
        await due.add(4, alert=_ALERT, action="resolve", recipient="another")
        await self.claim(due)
        assert await self.reason(due, trigger) == ("retrying", None)
