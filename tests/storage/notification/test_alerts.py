"""Alerts: which reference a delivery is claimed with, and what may exist without one."""

from typing import Any

import pytest

from domain.notification.event import Action
from storage.notification.claimed import Claimed
from storage.notification.claims import claim
from tests.storage.notification.due import Due

KEY = "incident_1"
FIRST, OTHER = {"ts": "1"}, {"ts": "2"}


async def take(due: Due) -> Claimed:
    """Claim the one delivery that is due, with what is known of its alert."""
    async with due.database.statements(due.tenant_id) as sql:
        [claimed] = await claim(sql, due.lane(tracked=True), 1)
    return claimed


async def send(due: Due, reference: Any, **how: Any) -> Claimed:
    """Add a delivery of the alert, claim it, and record that it arrived."""
    await due.add(alert=KEY, **how)
    claimed = await take(due)
    await due.end(claimed, reference=reference, tracked=True)
    return claimed


async def test_nothing_is_known_of_the_first_delivery(due: Due) -> None:
    await due.add(alert=KEY)
    existing = (await take(due)).existing
    assert (existing.reference, existing.maybe_made, existing.opened) == (None, (), None)


async def test_a_later_delivery_knows_what_the_first_one_made(due: Due) -> None:
    first = await send(due, FIRST)
    await send(due, FIRST, action="acknowledge")
    await due.add(alert=KEY, action="resolve")
    existing = (await take(due)).existing
    assert existing.reference == FIRST
    assert existing.action is Action.ACKNOWLEDGE
    assert existing.opened is not None
    assert existing.opened["id"] == first.notification["id"]


async def test_what_was_made_anew_replaces_what_was_known(due: Due) -> None:
    await send(due, FIRST)
    second = await send(due, OTHER)
    await due.add(alert=KEY)
    existing = (await take(due)).existing
    assert existing.reference == OTHER
    assert existing.opened is not None
    assert existing.opened["id"] == second.notification["id"]


@pytest.mark.parametrize("other", [{"alert": "incident_2"}, {"recipient": "b"}, {"alert": None}])
async def test_another_alert_is_another_thing(due: Due, other: Any) -> None:
    await send(due, FIRST)
    await due.add(**{"alert": KEY, **other})
    assert (await take(due)).existing.reference is None


async def test_an_answer_without_a_reference_changes_nothing(due: Due) -> None:
    await send(due, FIRST)
    await send(due, None)
    await due.add(alert=KEY)
    assert (await take(due)).existing.reference == FIRST


async def test_a_type_that_needs_no_reference_is_told_none(due: Due) -> None:
    await send(due, FIRST)
    await due.add(alert=KEY)
    [claimed] = await due.claim()
    assert claimed.existing.reference is None


async def test_a_late_answer_does_not_replace_a_later_one(due: Due) -> None:
    await due.add(alert=KEY)
    early = await take(due)
    await due.pass_time(40)
    await due.reclaim()
    [id] = await due.add(alert=KEY, action="resolve")
    async with due.database.statements(due.tenant_id) as sql:
        await sql.run(
            "update tenant.notification_deliveries set next_attempt_at = now()"
            " + interval '1 hour' where id <> $1",
            id,
        )
    await due.end(await take(due), reference=OTHER, tracked=True)
    await due.end(early, reference=FIRST, tracked=True)
    await due.add(alert=KEY)
    existing = (await take(due)).existing
    assert (existing.reference, existing.action) == (OTHER, Action.RESOLVE)


async def test_an_attempt_that_may_have_arrived_is_named(due: Due) -> None:
    [id] = await due.add(alert=KEY)
    await due.end(await take(due), "retrying", maybe_sent=True, kind="transient", wait=0.0)
    again = (await take(due)).existing
    assert again.maybe_made == (str(id),)
    assert 0 <= again.ago < 30


async def test_an_attempt_whose_worker_died_is_named(due: Due) -> None:
    [id] = await due.add(alert=KEY)
    await take(due)
    await due.pass_time(40)
    await due.reclaim()
    assert (await take(due)).existing.maybe_made == (str(id),)


async def test_an_attempt_that_certainly_failed_is_not_named(due: Due) -> None:
    await due.add(alert=KEY)
    await due.end(await take(due), "retrying", maybe_sent=False, kind="transient", wait=0.0)
    assert (await take(due)).existing.maybe_made == ()


async def test_a_delivery_without_an_entity_knows_its_own_attempts(due: Due) -> None:
    [id] = await due.add()
    await due.end(await take(due), "retrying", maybe_sent=True, kind="transient", wait=0.0)
    assert (await take(due)).existing.maybe_made == (str(id),)


@pytest.mark.parametrize("status", ["failed", "expired", "superseded", "cancelled"])
async def test_a_delivery_that_ended_in_doubt_is_named_to_later_ones(due: Due, status: str) -> None:
    """Its thing may be open at the vendor, and a resolve has to find it."""
    [id] = await due.add(alert=KEY)
    await due.end(await take(due), "retrying", maybe_sent=True, kind="transient", wait=3_600.0)
    async with due.database.statements(due.tenant_id) as sql:
        await sql.run(
            "update tenant.notification_deliveries set status = $2,"
            " completed_at = now() where id = $1",
            id,
            status,
        )
    await due.add(alert=KEY, action="resolve")
    assert (await take(due)).existing.maybe_made == (str(id),)


async def test_what_an_answer_named_is_no_longer_in_doubt(due: Due) -> None:
    await due.add(alert=KEY)
    await due.end(await take(due), "retrying", maybe_sent=True, kind="transient", wait=0.0)
    await due.end(await take(due), reference=FIRST, tracked=True)
    await due.add(alert=KEY)
    existing = (await take(due)).existing
    assert (existing.reference, existing.maybe_made) == (FIRST, ())
