"""A sealed secret opens only in its place and with its key."""

import base64
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.keyring import Keyring
from domain.tenant import TenantId
from storage.secrets.vault import CannotOpen, Vault, decrypt, encrypt, framed, key_ids

TENANT, OTHER_TENANT = (TenantId(letter * 26) for letter in "ab")
ID = UUID(int=7)
OLD, NEW = (bytes([number]) * 32 for number in (1, 2))
SECRETS: dict[str, Any] = {"botToken": "xoxb-canary-1234", "headers": {"X-Key": "canary", "n": "ü"}}


def vault(**keys: bytes) -> Vault:
    return Vault(Keyring(keys or {"k1": OLD}))


def sealed(secrets: dict[str, Any] = SECRETS, by: Vault | None = None) -> str:
    text = (by or vault()).seal(TENANT, ID, secrets)
    assert text is not None
    return text


JSON = st.recursive(
    st.text() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=20), JSON, min_size=1, max_size=4))
def test_what_goes_in_comes_out(secrets: dict[str, Any]) -> None:
    assert vault().open(TENANT, ID, sealed(secrets)) == secrets


def test_nothing_of_it_can_be_read_and_nothing_repeats() -> None:
    first, second = sealed(), sealed()
    assert "canary" not in first
    parts = [
        each[name]
        for text in (first, second)
        for each in json.loads(text).values()
        for name in ("wrapped", "sealed")
    ]
    assert len(set(parts)) == 8
    assert len({base64.b64decode(part)[:12] for part in parts}) == 8


def test_no_secrets_are_nothing() -> None:
    assert vault().seal(TENANT, ID, {}) is None
    assert vault().open(TENANT, ID, None) == {}


@pytest.mark.parametrize(("tenant_id", "subject"), [(OTHER_TENANT, ID), (TENANT, uuid4())])
def test_in_another_row_it_does_not_open(tenant_id: TenantId, subject: UUID) -> None:
    with pytest.raises(CannotOpen, match="'k1'"):
        vault().open(tenant_id, subject, sealed())


def test_under_another_field_it_does_not_open() -> None:
    moved = json.loads(sealed({"botToken": "canary", "signingSecret": "other"}))
    moved["signingSecret"] = moved["botToken"]
    with pytest.raises(CannotOpen, match="signingSecret was not sealed here with the key 'k1'"):
        vault().open(TENANT, ID, json.dumps(moved))


@pytest.mark.parametrize("layer", ["wrapped", "sealed"])
def test_each_layer_is_bound_to_its_place(layer: str) -> None:
    """The wrapped key, or the secret, of another row, with the other layer of this row."""
    mine = json.loads(sealed({"botToken": "canary"}))
    theirs = json.loads(vault().seal(OTHER_TENANT, ID, {"botToken": "canary"}) or "")
    mine["botToken"][layer] = theirs["botToken"][layer]
    with pytest.raises(CannotOpen):
        vault().open(TENANT, ID, json.dumps(mine))


def test_the_secret_itself_is_bound_even_for_somebody_with_its_key() -> None:
    """Wrapped anew for another place, by somebody who holds the ring: the inner layer knows."""
    written = json.loads(sealed({"botToken": "canary"}))
    envelope = written["botToken"]
    key = decrypt(OLD, envelope["wrapped"], bound(TENANT) + framed("k1"))
    envelope["wrapped"] = encrypt(OLD, key, bound(OTHER_TENANT) + framed("k1"))
    with pytest.raises(CannotOpen):
        vault().open(OTHER_TENANT, ID, json.dumps(written))
    assert json.loads(decrypt(key, envelope["sealed"], bound(TENANT))) == "canary"


def bound(tenant_id: TenantId) -> bytes:
    return framed("itsm-secret-v1", tenant_id, str(ID), "botToken")


@given(place=st.sampled_from(["wrapped", "sealed"]), at=st.integers(0, 40), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(place: str, at: int, bit: int) -> None:
    written = json.loads(sealed({"botToken": "canary-canary-canary"}))
    raw = bytearray(base64.b64decode(written["botToken"][place]))
    raw[at] ^= 1 << bit
    written["botToken"][place] = base64.b64encode(raw).decode()
    with pytest.raises(CannotOpen):
        vault().open(TENANT, ID, json.dumps(written))


@pytest.mark.parametrize(
    "text",
    [
        *("x", "[]", '{"a": 1}', '{"a": {}}', '{"a": {"v": 2, "kid": "k1"}}'),
        *('{"a": {"v": 1, "kid": 1}}', '{"a": {"v": 1, "kid": "k1"}}'),
        '{"a": {"v": 1, "kid": "k1", "wrapped": "é", "sealed": ""}}',
        '{"a": {"v": 1, "kid": "k1", "wrapped": null, "sealed": null}}',
    ],
)
def test_what_nobody_sealed_does_not_open(text: str) -> None:
    with pytest.raises(CannotOpen):
        vault().open(TENANT, ID, text)


def test_errors_name_the_key_and_never_the_secret() -> None:
    with pytest.raises(CannotOpen, match="the key 'k1' of botToken is not on the key ring") as lost:
        vault(k2=NEW).open(TENANT, ID, sealed())
    with pytest.raises(CannotOpen, match="not sealed here with the key 'k1'") as other:
        vault(k1=NEW).open(TENANT, ID, sealed())
    assert not [each for each in (lost, other) if "canary" in str(each.value)]


class TestRewrapping:
    def test_the_key_changes_and_the_secret_is_not_touched(self) -> None:
        before = sealed()
        after = vault(k2=NEW, k1=OLD).rewrap(TENANT, ID, before)
        assert (key_ids(before), key_ids(after)) == (["k1", "k1"], ["k2", "k2"])
        for field, envelope in json.loads(after).items():
            assert envelope["sealed"] == json.loads(before)[field]["sealed"]
            assert envelope["wrapped"] != json.loads(before)[field]["wrapped"]
        assert vault(k2=NEW).open(TENANT, ID, after) == SECRETS

    def test_a_renamed_key_is_noticed(self) -> None:
        """The id is authenticated: the same key under another id does not open it."""
        renamed = sealed().replace('"k1"', '"k2"')
        with pytest.raises(CannotOpen):
            vault(k2=OLD).open(TENANT, ID, renamed)

    def test_what_is_under_the_active_key_stays_as_it_is(self) -> None:
        text = sealed()
        assert json.loads(vault().rewrap(TENANT, ID, text)) == json.loads(text)

    def test_a_lost_key_stops_it(self) -> None:
        with pytest.raises(CannotOpen, match="'k1'"):
            vault(k2=NEW).rewrap(TENANT, ID, sealed())


def test_a_ring_that_changes_is_followed() -> None:
    ring = Keyring({"k1": OLD})
    following = Vault(ring, lambda: ring)
    before = sealed(by=following)
    ring = Keyring({"k2": NEW, "k1": OLD})
    assert key_ids(sealed(by=following)) == ["k2", "k2"]
    assert following.open(TENANT, ID, before) == SECRETS


def test_examination_tells_each_field() -> None:
    written = json.loads(sealed())
    written["botToken"]["sealed"] = written["headers"]["sealed"]
    found = {
        field: (kid, fault is None)
        for field, kid, fault in vault().examine(TENANT, ID, json.dumps(written))
    }
    assert found == {"botToken": ("k1", False), "headers": ("k1", True)}


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_framing_is_unambiguous(one: list[str], other: list[str]) -> None:
    assert (framed(*one) == framed(*other)) == (one == other)
