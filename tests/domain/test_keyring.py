"""The text of a key ring: valid and invalid lines, and lines that an edit leaves alone."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.keyring import Keyring, with_first, without

OLD, NEW = (bytes([number]) * 32 for number in (1, 2))
TEXT = "# ours\n\n" + with_first(f"old: {base64.b64encode(OLD).decode()}\n", "new", NEW)


def test_keys_are_read_in_order() -> None:
    assert Keyring.parse(TEXT).keys == {"new": NEW, "old": OLD}
    assert Keyring.parse(TEXT).active == "new"


@pytest.mark.parametrize(
    "line", ["one", "one: !!", "one: c2hvcnQ=", "one: schlüssel", f": {'A' * 43}="]
)
def test_a_faulty_line_is_named_but_not_quoted(line: str) -> None:
    with pytest.raises(ValueError, match="keyring line 2: not 'id: base64 of 32 bytes'") as raised:
        Keyring.parse(with_first(line, "new", NEW), "keyring")
    assert "c2hvcnQ" not in str(raised.value)


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: the key 'new' is there twice"):
        Keyring.parse(with_first(with_first("", "new", OLD), "new", NEW))


def test_an_empty_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no key"):
        Keyring.parse("# nothing\n")


@given(st.binary(min_size=32, max_size=32))
def test_an_added_key_is_active_and_removing_it_undoes_that(key: bytes) -> None:
    added = with_first(TEXT, "newest", key)
    assert Keyring.parse(added).keys == {"newest": key, "new": NEW, "old": OLD}
    assert Keyring.parse(added).active == "newest"
    assert without(added, "newest") == TEXT


def test_removing_leaves_comments_and_other_keys() -> None:
    assert Keyring.parse(without(TEXT, "new")).keys == {"old": OLD}
    assert without(TEXT, "new").startswith("# ours\n\n")
