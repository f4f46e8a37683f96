"""Standard Webhooks 1.0 signatures: `v1,` + base64 of HMAC-SHA256 over `id.timestamp.body`.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md. A secret is
`whsec_` + base64 of 24 to 64 random bytes; a header holds several signatures, separated by
spaces, while secrets are rotated.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
TOLERANCE_SECONDS = 300  # between the time stamp and the receiver's clock


def new_secret() -> str:
    """A new random secret of 32 bytes, in the form that its receiver is shown."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key(secret: str) -> bytes:
    """The bytes to sign with; prefix and padding may be left out. Raises ValueError."""
    encoded = secret.removeprefix(PREFIX)
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError(f"not {PREFIX} and base64") from None
    if len(decoded) not in KEY_BYTES:
        raise ValueError(f"{len(decoded)} bytes; 24 to 64 make a signing secret")
    return decoded


def sign(keys: Iterable[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`, with one signature for each key.

    `timestamp` is in seconds since 1970. Raises ValueError for an id with a dot: it would let
    bytes pass from one field of what is signed into the next.
    """
    if "." in id:
        raise ValueError("a message id holds no dot")
    signed = f"{id}.{timestamp}.".encode() + body
    return " ".join(_signature(key, signed) for key in keys)


def _signature(key: bytes, signed: bytes) -> str:
    digest = hmac.digest(key, signed, "sha256")
    return "v1," + binascii.b2a_base64(digest, newline=False).decode()


def verify(keys: Iterable[bytes], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the keys has signed this body, at most TOLERANCE_SECONDS before or after `now`
    (seconds since 1970). This is what receivers check."""
    id, timestamp, signatures = (
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not id or "." in id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    ours = sign(keys, id, int(timestamp), body).encode().split()
    theirs = signatures.encode("utf-8", "replace").split()
    return any(hmac.compare_digest(each, other) for each in ours for other in theirs)
