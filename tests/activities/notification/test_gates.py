"""The caps on sends in flight: never more, never less than none, and nobody left out for ever."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from activities.notification.gates import PROBE_AFTER, TENANT_SENDS, Gates

CAPS = (1, 8, 40, 100)
TENANTS = ("a", "b")
ENDPOINT, OTHER = UUID(int=1), UUID(int=2)


class Sending(RuleBasedStateMachine):
    """Whatever comes and goes, what is in flight is what was granted and not yet given back."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.gates = Gates()
        self.in_flight: Counter[tuple[str, UUID]] = Counter()

    def of_tenant(self, tenant: str) -> int:
        return sum(count for (owner, _), count in self.in_flight.items() if owner == tenant)

    @rule(target=taken, tenant=st.sampled_from(TENANTS), number=st.sampled_from(range(len(CAPS))))
    def enter(self, tenant: str, number: int) -> tuple[str, UUID, int]:
        integration = UUID(int=16 * (1 + TENANTS.index(tenant)) + number)
        free = min(
            CAPS[number] - self.in_flight[tenant, integration],
            TENANT_SENDS - self.of_tenant(tenant),
        )
        granted = self.gates.enter(tenant, integration, CAPS[number])
        assert granted == free >= 0
        self.in_flight[tenant, integration] += granted
        return tenant, integration, granted

    @rule(target=taken, one=consumes(taken), share=st.floats(0, 1))
    def leave(self, one: tuple[str, UUID, int], share: float) -> tuple[str, UUID, int]:
        """All or some of what was granted."""
        tenant, integration, granted = one
        given_back = round(granted * share)
        self.gates.leave(tenant, integration, given_back)
        self.in_flight[tenant, integration] -= given_back
        return tenant, integration, granted - given_back

    @invariant()
    def caps_hold(self) -> None:
        for (_, integration), count in self.in_flight.items():
            assert 0 <= count <= CAPS[integration.int % 16]
        for tenant in TENANTS:
            assert 0 <= self.of_tenant(tenant) <= TENANT_SENDS
            assert self.gates.is_crowded(tenant) == (self.of_tenant(tenant) == TENANT_SENDS)


TestSending = Sending.TestCase


@pytest.fixture
def probing() -> Gates:
    """Gates to whose one endpoint five sends in a row had no answer."""
    gates = Gates()
    for number in range(PROBE_AFTER):
        assert not gates.is_probing(ENDPOINT), number
        gates.note(ENDPOINT, timed_out=True)
    return gates


def test_an_endpoint_that_hangs_is_probed_by_one_at_a_time(probing: Gates) -> None:
    assert probing.is_probing(ENDPOINT)
    assert probing.enter("a", ENDPOINT, 8) == 1
    assert probing.enter("a", ENDPOINT, 8) == 0
    assert probing.enter("a", OTHER, 8) == 8
    probing.leave("a", ENDPOINT, 1)
    probing.note(ENDPOINT, timed_out=True)
    assert probing.enter("a", ENDPOINT, 8) == 1


def test_nothing_is_probed_while_more_hang_than_may_be_probed() -> None:
    gates = Gates()
    assert gates.enter("a", ENDPOINT, 8) == 8
    for _ in range(PROBE_AFTER):
        gates.note(ENDPOINT, timed_out=True)
    assert gates.enter("a", ENDPOINT, 8) == 0
    gates.leave("a", ENDPOINT, 8)
    assert gates.enter("a", ENDPOINT, 8) == 1


def test_any_answer_ends_the_probing(probing: Gates) -> None:
    probing.note(ENDPOINT, timed_out=False)
    assert not probing.is_probing(ENDPOINT)
    assert probing.enter("a", ENDPOINT, 8) == 8


def test_time_outs_count_only_in_a_row() -> None:
    gates = Gates()
    for _ in range(PROBE_AFTER):
        for _ in range(PROBE_AFTER - 1):
            gates.note(ENDPOINT, timed_out=True)
        gates.note(ENDPOINT, timed_out=False)
    assert not gates.is_probing(ENDPOINT)
