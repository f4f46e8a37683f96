"""The memory budget that long activities share."""

import asyncio

import pytest

from activities.budget import Budget, of_tally


async def settle() -> None:
    """Let every task run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class TestBudget:
    async def test_a_request_that_does_not_fit_waits_and_the_budget_is_never_exceeded(self) -> None:
        budget, taken, most = Budget(100), 0, 0

        async def work(size: int) -> None:
            nonlocal taken, most
            async with budget.holding(size):
                taken += size
                most = max(most, taken)
                await settle()
                taken -= size

        await asyncio.gather(*(work(1 + number * 37 % 60) for number in range(200)))
        assert 60 <= most <= 100
        assert await budget.take(100) == 100, "all was given back"

    async def test_a_request_larger_than_the_budget_gets_all_of_it(self) -> None:
        budget = Budget(100)
        async with budget.holding(10**12):
            waiting = asyncio.create_task(budget.take(1))
            await settle()
            assert not waiting.done()
        assert await waiting == 1

    async def test_a_large_request_is_not_overtaken_for_ever(self) -> None:
        budget = Budget(100)
        first = await budget.take(60)
        large = asyncio.create_task(budget.take(90))
        await settle()
        small = asyncio.create_task(budget.take(10))
        await settle()
        assert not large.done()
        assert not small.done(), "it came later"
        budget.give(first)
        assert (await large, await small) == (90, 10)

    @pytest.mark.parametrize("granted", [False, True])
    async def test_a_cancelled_request_releases_its_share(self, granted: bool) -> None:
        budget = Budget(100)
        held = await budget.take(100)
        waiting = asyncio.create_task(budget.take(100))
        behind = asyncio.create_task(budget.take(50))
        await settle()
        if granted:
            budget.give(held)  # granted, but it has not run since
        waiting.cancel()
        await settle()
        if not granted:
            budget.give(held)
        assert waiting.cancelled()
        assert await behind == 50
        assert await budget.take(50) == 50


def test_a_tally_of_a_million_takes_the_share_that_was_measured() -> None:
    assert of_tally(1_000_000) == 300_000_000
