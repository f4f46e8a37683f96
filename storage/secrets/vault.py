"""Secrets at rest: what a tenant entrusts us with, sealed so that it opens in its place only.

An envelope: every secret has a random key of its own (AES-256-GCM), and a key of the ring wraps
that one, so that rotating the ring's keys touches no secret. Tenant, subject and field are
authenticated in both layers (RFC 5116 calls it associated data): a ciphertext that is moved to
another row, tenant or field does not open.

Written as JSON: {field: {"v": 1, "kid": …, "wrapped": base64, "sealed": base64}}, where both
texts are a 12-byte nonce and what AES-GCM gives.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.json_document import Json
from domain.keyring import KEY_BYTES, Keyring
from domain.tenant import TenantId

VERSION = 1
_NONCE_BYTES = 12

Envelope = Json  # v, kid, wrapped, sealed


class CannotOpen(Exception):
    """A secret that stays shut; says which field, which key and why, never what it holds."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a secret belongs."""

    tenant_id: TenantId
    subject: UUID
    field: str

    @property
    def of_secret(self) -> bytes:
        return framed("itsm-secret-v1", self.tenant_id, str(self.subject), self.field)

    def of_key(self, key_id: str) -> bytes:
        return self.of_secret + framed(key_id)


class Vault:
    """Seals and opens with the keys of a ring; `current` gives the ring as it is now.

    A process lives longer than its ring: a key that was added after it started is found, too.
    """

    def __init__(self, keyring: Keyring, current: Callable[[], Keyring] | None = None) -> None:
        self._current = current or (lambda: keyring)

    @property
    def keyring(self) -> Keyring:
        return self._current()

    def seal(self, tenant_id: TenantId, subject: UUID, secrets: Mapping[str, Any]) -> str | None:
        """What `open` takes, of secrets by field (as JSON); None for no secrets.

        `subject` is the id of the integration, or of the draft, that they belong to.
        """
        sealed = {
            field: self._seal(_Place(tenant_id, subject, field), secret)
            for field, secret in secrets.items()
        }
        return json.dumps(sealed) if sealed else None

    def open(self, tenant_id: TenantId, subject: UUID, sealed: str | None) -> Json:
        """The secrets by field. Raises CannotOpen."""
        return {
            place.field: self._open(place, envelope)
            for place, envelope in _envelopes(tenant_id, subject, sealed)
        }

    def examine(
        self, tenant_id: TenantId, subject: UUID, sealed: str
    ) -> Iterator[tuple[str, str, CannotOpen | None]]:
        """Each field with the id of its key, and why it does not open if it does not.

        Raises CannotOpen if the fields themselves cannot be told.
        """
        for place, envelope in _envelopes(tenant_id, subject, sealed):
            fault = None
            try:
                self._open(place, envelope)
            except CannotOpen as error:
                fault = error
            yield place.field, str(envelope.get("kid")), fault

    def rewrap(self, tenant_id: TenantId, subject: UUID, sealed: str) -> str:
        """The same secrets under the active key. Raises CannotOpen."""
        active = self.keyring.active
        rewrapped = {
            place.field: envelope
            if envelope.get("kid") == active
            else envelope | self._wrap(place, self._unwrap(place, envelope))
            for place, envelope in _envelopes(tenant_id, subject, sealed)
        }
        return json.dumps(rewrapped)

    def _seal(self, place: _Place, secret: Any) -> Envelope:
        key = os.urandom(KEY_BYTES)
        sealed = encrypt(key, json.dumps(secret).encode(), place.of_secret)
        return {"v": VERSION, **self._wrap(place, key), "sealed": sealed}

    def _open(self, place: _Place, envelope: Envelope) -> Any:
        key = self._unwrap(place, envelope)
        try:
            return json.loads(decrypt(key, envelope["sealed"], place.of_secret))
        except (InvalidTag, KeyError, TypeError, ValueError):
            raise CannotOpen(_damaged(place, envelope["kid"])) from None

    def _wrap(self, place: _Place, key: bytes) -> Envelope:
        ring = self.keyring
        wrapped = encrypt(ring.keys[ring.active], key, place.of_key(ring.active))
        return {"kid": ring.active, "wrapped": wrapped}

    def _unwrap(self, place: _Place, envelope: Envelope) -> bytes:
        key_id, keys = envelope.get("kid"), self.keyring.keys
        if envelope.get("v") != VERSION or not isinstance(key_id, str):
            raise CannotOpen(f"{place.field} is not in a form that is known here")
        if key_id not in keys:
            raise CannotOpen(f"the key {key_id!r} of {place.field} is not on the key ring")
        try:
            return decrypt(keys[key_id], envelope["wrapped"], place.of_key(key_id))
        except (InvalidTag, KeyError, TypeError, ValueError):
            raise CannotOpen(_damaged(place, key_id)) from None


def key_ids(sealed: str) -> list[str]:
    """The id of each secret's key. Raises CannotOpen if that cannot be told."""
    return [str(envelope.get("kid")) for envelope in _written(sealed).values()]


def _damaged(place: _Place, key_id: str) -> str:
    return f"{place.field} was not sealed here with the key {key_id!r}, or it is damaged"


def _envelopes(
    tenant_id: TenantId, subject: UUID, sealed: str | None
) -> Iterator[tuple[_Place, Envelope]]:
    for field, envelope in _written(sealed).items():
        yield _Place(tenant_id, subject, field), envelope


def _written(sealed: str | None) -> dict[str, Envelope]:
    """Raises CannotOpen."""
    try:
        written: Any = json.loads(sealed) if sealed else {}
    except ValueError:
        written = None
    if not isinstance(written, dict) or not all(
        isinstance(each, dict) for each in written.values()
    ):
        raise CannotOpen("the secrets are not in a form that is known here")
    return written


def framed(*parts: str) -> bytes:
    """The parts, each behind its length, so that no two sequences of parts look the same."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4) + part for part in encoded)


def encrypt(key: bytes, plain: bytes, bound_to: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound_to)).decode()


def decrypt(key: bytes, sealed: str, bound_to: bytes) -> bytes:
    """Raises InvalidTag, or ValueError and TypeError for what nobody encrypted."""
    raw = base64.b64decode(sealed, validate=True)
    return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to)
