"""The caps on sends in flight are never exceeded, and no sender waits for ever."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from activities.notification.limiter import PROBE_AFTER, TENANT_SENDS_PER_WORKER, ConcurrencyLimiter

CAPS = (1, 8, 40, 100)
TENANTS = ("a", "b")
ENDPOINT, OTHER = UUID(int=1), UUID(int=2)


class Sending(RuleBasedStateMachine):
    """In any order of calls, the sends in flight are those granted and not yet released."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.limiter = ConcurrencyLimiter()
        self.in_flight: Counter[tuple[str, UUID]] = Counter()

    def of_tenant(self, tenant: str) -> int:
        return sum(count for (owner, _), count in self.in_flight.items() if owner == tenant)

    @rule(target=taken, tenant=st.sampled_from(TENANTS), number=st.sampled_from(range(len(CAPS))))
    def acquire(self, tenant: str, number: int) -> tuple[str, UUID, int]:
        integration = UUID(int=16 * (1 + TENANTS.index(tenant)) + number)
        free = min(
            CAPS[number] - self.in_flight[tenant, integration],
            TENANT_SENDS_PER_WORKER - self.of_tenant(tenant),
        )
        granted = self.limiter.acquire(tenant, integration, CAPS[number])
        assert granted == free >= 0
        self.in_flight[tenant, integration] += granted
        return tenant, integration, granted

    @rule(target=taken, one=consumes(taken), share=st.floats(0, 1))
    def release(self, one: tuple[str, UUID, int], share: float) -> tuple[str, UUID, int]:
        """Release all or some of the granted sends."""
        tenant, integration, granted = one
        given_back = round(granted * share)
        self.limiter.release(tenant, integration, given_back)
        self.in_flight[tenant, integration] -= given_back
        return tenant, integration, granted - given_back

    @invariant()
    def caps_hold(self) -> None:
        for (_, integration), count in self.in_flight.items():
            assert 0 <= count <= CAPS[integration.int % 16]
        for tenant in TENANTS:
            assert 0 <= self.of_tenant(tenant) <= TENANT_SENDS_PER_WORKER
            assert self.limiter.is_crowded(tenant) == (
                self.of_tenant(tenant) == TENANT_SENDS_PER_WORKER
            )


TestSending = Sending.TestCase


@pytest.fixture
def probing() -> ConcurrencyLimiter:
    """A limiter whose one endpoint did not answer five sends in a row."""
    limiter = ConcurrencyLimiter()
    for number in range(PROBE_AFTER):
        assert not limiter.is_probing(ENDPOINT), number
        limiter.note(ENDPOINT, timed_out=True)
    return limiter


def test_an_endpoint_that_hangs_is_probed_by_one_at_a_time(probing: ConcurrencyLimiter) -> None:
    assert probing.is_probing(ENDPOINT)
    assert probing.acquire("a", ENDPOINT, 8) == 1
    assert probing.acquire("a", ENDPOINT, 8) == 0
    assert probing.acquire("a", OTHER, 8) == 8
    probing.release("a", ENDPOINT, 1)
    probing.note(ENDPOINT, timed_out=True)
    assert probing.acquire("a", ENDPOINT, 8) == 1


def test_nothing_is_probed_while_more_hang_than_may_be_probed() -> None:
    limiter = ConcurrencyLimiter()
    assert limiter.acquire("a", ENDPOINT, 8) == 8
    for _ in range(PROBE_AFTER):
        limiter.note(ENDPOINT, timed_out=True)
    assert limiter.acquire("a", ENDPOINT, 8) == 0
    limiter.release("a", ENDPOINT, 8)
    assert limiter.acquire("a", ENDPOINT, 8) == 1


def test_any_answer_ends_the_probing(probing: ConcurrencyLimiter) -> None:
    probing.note(ENDPOINT, timed_out=False)
    assert not probing.is_probing(ENDPOINT)
    assert probing.acquire("a", ENDPOINT, 8) == 8


def test_time_outs_count_only_in_a_row() -> None:
    limiter = ConcurrencyLimiter()
    for _ in range(PROBE_AFTER):
        for _ in range(PROBE_AFTER - 1):
            limiter.note(ENDPOINT, timed_out=True)
        limiter.note(ENDPOINT, timed_out=False)
    assert not limiter.is_probing(ENDPOINT)
