"""Links by which people act: whose they are, how long they are valid, and when they are offered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.keyring import Keyring
from domain.notification.action_link import (
    LASTS,
    ActionLink,
    BadLink,
    expiry,
    offered,
    read,
    sign,
    url_of,
)
from domain.notification.event import Action
from domain.notification.message import Latest
from tests.integrations.examples import message

NOW = datetime(2026, 11, 28, tzinfo=UTC)
RING = Keyring({"k1": bytes(32), "k0": b"1" * 32})
LINK = ActionLink("t", "i", "d", "incident_INC-1", "resolve", "jo@acme.example", 1_800_000_000)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(st.builds(ActionLink, *[_TEXT] * 6, st.just(LINK.until)))
def test_what_was_signed_is_read(link: ActionLink) -> None:
    assert read(RING, sign(RING, link), NOW) == link


def test_a_link_of_an_older_key_of_the_ring_is_read() -> None:
    older = Keyring({"k0": b"1" * 32})
    assert read(RING, sign(older, LINK), NOW) == LINK


@pytest.mark.parametrize("ring", [{"k1": b"2" * 32}, {"k2": bytes(32)}])
def test_a_link_of_another_ring_is_refused(ring: dict[str, bytes]) -> None:
    with pytest.raises(BadLink, match="not one of our links"):
        read(Keyring(ring), sign(RING, LINK), NOW)


def test_one_flipped_bit_is_refused() -> None:
    token = sign(RING, LINK)
    for place in range(len(token)):
        for bit in (1, 2, 4, 8):
            other = token[:place] + chr(ord(token[place]) ^ bit) + token[place + 1 :]
            with pytest.raises(BadLink):
                read(RING, other, NOW)


@pytest.mark.parametrize(
    "token",
    ["", ".", "a.b", "e30.e30", "W10.e30", "\u00e9.x", "x" * 10_000, "bnVsbA." + "A" * 43],
)
def test_what_is_no_link_is_refused(token: str) -> None:
    with pytest.raises(BadLink):
        read(RING, token, NOW)


def test_a_link_expires() -> None:
    token = sign(RING, LINK)
    until = datetime.fromtimestamp(LINK.until, UTC)
    assert read(RING, token, until)
    with pytest.raises(BadLink, match="expired"):
        read(RING, token, until + timedelta(seconds=1))


def test_a_repeated_attempt_has_the_same_link() -> None:
    said = message()
    assert expiry(said) == int((said.created_at + LASTS).timestamp())
    assert sign(RING, LINK) == sign(RING, LINK)


def test_what_is_offered_follows_from_the_state() -> None:
    resolve, both = (Action.RESOLVE,), (Action.ACKNOWLEDGE, Action.RESOLVE)
    found = [offered(message(action=each)) for each in Action]
    assert found == [both, resolve, ()]


def test_nothing_is_offered_without_an_entity_or_for_what_is_over() -> None:
    late = Latest("incident.resolved", "", NOW)
    for said in (message(entity_id=None), message(latest=late)):
        assert offered(said) == ()


def test_the_url_is_a_page_of_ours() -> None:
    token = sign(RING, replace(LINK, by="ü"))
    url = url_of("https://firelater.example/", token)
    assert url == f"https://firelater.example/v1/actions/{token}"
    assert url.isascii()
