"""A wake-up is recorded once, and a worker that handles one loses no later one."""

from uuid import UUID, uuid4

from storage.notification import outbox
from storage.notification.outbox import note_wakes
from tests.storage.notification.due import Due


async def _found(due: Due) -> list[UUID]:
    """The rows that a worker finds now, to wake this tenant's requests."""
    found = await outbox.waiting(due.database, 60)
    return [row for each in found if each.tenant_id == due.tenant_id for row in each.rows]


async def _note(due: Due, *requests: UUID) -> None:
    async with due.database.statements(due.tenant_id) as sql:
        await note_wakes(sql, set(requests))


async def test_reasons_that_come_before_it_is_woken_are_one_row(due: Due) -> None:
    one, other = uuid4(), uuid4()
    await _note(due, one)
    await _note(due, one, other)
    await _note(due)
    assert sorted(await due.woken()) == sorted([one, other])


async def test_a_reason_that_comes_while_it_is_woken_wakes_it_again(due: Due) -> None:
    """Its workflow may have looked already, and would wait for an hour."""
    request = uuid4()
    await _note(due, request)
    read = await _found(due)
    await _note(due, request)
    await outbox.woken(due.database, read)
    assert await due.woken() == [request]


async def test_a_reason_that_comes_while_the_row_is_taken_away_wakes_it_again(due: Due) -> None:
    request = uuid4()
    await _note(due, request)
    [read] = await _found(due)
    async with due.database.statements(due.tenant_id) as worker:
        await worker.run("delete from public.outbox where id = $1", read)
        await _note(due, request)
    assert await due.woken() == [request]


async def test_two_reasons_at_the_same_moment_wait_for_none(due: Due) -> None:
    requests = [uuid4() for _ in range(5)]
    await _note(due, *requests)
    async with due.database.statements(due.tenant_id) as first:
        await note_wakes(first, set(requests))
        await _note(due, *requests)
    assert set(await due.woken()) == set(requests)
