"""Standard Webhooks signatures: the published vectors, rotation, and what a receiver refuses."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from integrations.webhook.signing import key, new_secret, sign, verify

NOW = 1_700_000_000
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)

# Published by the standard's own libraries (tests/test_webhooks.py of each language).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNED: dict[str, Any] = {
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
}
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(signature: str, id: str = "msg_1", timestamp: object = NOW) -> dict[str, str]:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return dict(zip(names, (id, str(timestamp), signature), strict=True))


def test_signs_as_published() -> None:
    assert sign([key(SECRET)], **SIGNED) == SIGNATURE


def test_published_vectors_hold(shared_dir: Path) -> None:
    known = shared_dir / "specs/webhooks/standard_webhooks_kat.json"
    cases = json.loads(known.read_text())["sign"]
    assert cases
    for case in cases:
        body = case["body"].encode()
        assert sign([key(case["secret"])], case["id"], case["timestamp"], body) == case["signature"]
    vectors = json.loads((shared_dir / "specs/vectors/signatures.json").read_text())
    [vector] = [each for each in vectors if each["name"].startswith("standard-webhooks")]
    at, body = int(vector["timestamp"]), vector["body"].encode()
    ours = sign([key(vector["secret"])], vector["headers"]["webhook-id"], at, body)
    assert ours == vector["headers"]["webhook-signature"]
    assert verify([key(vector["secret"])], vector["headers"], body, at)


@given(KEYS, IDS, st.binary())
def test_what_is_signed_is_verified(secret: bytes, id: str, body: bytes) -> None:
    assert verify([secret], headers(sign([secret], id, NOW, body), id), body, NOW + 299)


@given(KEYS, IDS, st.text())
def test_signs_as_the_standards_own_library(secret: bytes, id: str, body: str) -> None:
    theirs = standardwebhooks.Webhook(secret).sign(id, datetime.fromtimestamp(NOW, UTC), body)
    assert sign([secret], id, NOW, body.encode("utf-8")) == theirs


@given(st.lists(KEYS, min_size=2, max_size=4, unique=True), st.data())
def test_any_of_the_rotated_secrets_verifies(secrets: list[bytes], data: st.DataObject) -> None:
    known = data.draw(st.sampled_from(secrets))
    signature = sign(secrets, "msg_1", NOW, b"{}")
    assert len(signature.split(" ")) == len(secrets)
    assert verify([known], headers(signature), b"{}", NOW)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"webhook-id": ""}, id="no id"),
        pytest.param({"webhook-timestamp": ""}, id="no timestamp"),
        pytest.param({"webhook-signature": ""}, id="no signature"),
        pytest.param({"webhook-timestamp": "hello"}, id="a timestamp that is none"),
        pytest.param({"webhook-timestamp": "١٧٠٠٠٠٠٠٠٠"}, id="a timestamp in other digits"),
        pytest.param({"webhook-id": "msg_2"}, id="the signature of another id"),
        pytest.param({"webhook-id": "msg_1.1"}, id="an id with a dot"),
        pytest.param({"webhook-signature": "v1,é"}, id="a signature beyond ASCII"),
    ],
)
def test_other_headers_are_refused(changed: dict[str, str]) -> None:
    secret = key(SECRET)
    whole = headers(sign([secret], "msg_1", NOW, b"{}"))
    assert verify([secret], whole, b"{}", NOW)
    assert not verify([secret], whole | changed, b"{}", NOW)


def test_another_version_alone_is_refused() -> None:
    secret = key(SECRET)
    signature = sign([secret], "msg_1", NOW, b"{}")
    assert not verify([secret], headers(signature.replace("v1,", "v2,")), b"{}", NOW)
    assert verify([secret], headers(f"v2,x {signature}"), b"{}", NOW)


@pytest.mark.parametrize("age", [-301, 301])
def test_old_and_early_messages_are_refused(age: int) -> None:
    secret = key(SECRET)
    signature = sign([secret], "msg_1", NOW, b"{}")
    assert not verify([secret], headers(signature), b"{}", NOW + age)


@given(st.binary(min_size=1), st.data())
def test_a_changed_byte_is_noticed(body: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[place] ^= data.draw(st.integers(1, 255))
    secret = key(SECRET)
    signature = sign([secret], "msg_1", NOW, body)
    assert not verify([secret], headers(signature), bytes(changed), NOW)


def test_no_id_can_pass_for_another_field() -> None:
    with pytest.raises(ValueError, match="dot"):
        sign([key(SECRET)], "msg_1.1", NOW, b"{}")


def test_a_secret_is_read_with_and_without_its_prefix_and_padding() -> None:
    assert key(SECRET) == key(SECRET.removeprefix("whsec_"))
    padded = "whsec_" + base64.b64encode(b"k" * 25).decode()
    assert key(padded.rstrip("=")) == b"k" * 25


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes"):
        key("whsec_" + base64.b64encode(b"k" * size).decode())


@pytest.mark.parametrize("text", ["whsec_!!!!", "whsec_a b", "whsec_ключ", "whsec_abcde"])
def test_a_secret_is_base64(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        key(text)


def test_new_secrets_have_32_bytes_and_differ() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(key(each)) for each in made} == {32}
