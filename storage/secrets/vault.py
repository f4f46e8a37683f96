"""Encrypts the secrets of tenants, so that each can be opened in its own row and field only.

Envelope encryption: every secret is encrypted with a random key of its own (AES-256-GCM), and that
key with a key of the ring (it is wrapped). So rotating the ring's keys leaves the encrypted secrets
as they are. Tenant, subject and field are associated data (RFC 5116) of both encryptions: a
ciphertext that was moved to another row, tenant or field cannot be opened.

The stored text is JSON: {field: {"v": 1, "kid": …, "wrapped": base64, "sealed": base64}}. Both
base64 texts hold a 12-byte nonce followed by the output of AES-GCM.
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
    """A secret cannot be opened; the message says why, names field and key if they are known, and
    quotes no secret."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a secret belongs; its properties are the associated data of the two encryptions."""

    tenant_id: TenantId
    subject: UUID
    field: str

    @property
    def of_secret(self) -> bytes:
        return framed("itsm-secret-v1", self.tenant_id, str(self.subject), self.field)

    def of_key(self, key_id: str) -> bytes:
        return self.of_secret + framed(key_id)


class Vault:
    """Seals and opens secrets with the keys of a ring.

    `current` returns the ring as it is now, so that a running process also finds keys that were
    added after its start.
    """

    def __init__(self, keyring: Keyring, current: Callable[[], Keyring] | None = None) -> None:
        self._current = current or (lambda: keyring)

    @property
    def keyring(self) -> Keyring:
        return self._current()

    def seal(self, tenant_id: TenantId, subject: UUID, secrets: Mapping[str, Any]) -> str | None:
        """Encrypt secrets (JSON values by field) to the text that `open` takes; None for no
        secrets.

        `subject` is the id of the integration or draft that they belong to.
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
        """Each field, the id of its key, and why its secret cannot be opened (None if it can).

        Raises CannotOpen if the text has no readable fields.
        """
        for place, envelope in _envelopes(tenant_id, subject, sealed):
            fault = None
            try:
                self._open(place, envelope)
            except CannotOpen as error:
                fault = error
            yield place.field, str(envelope.get("kid")), fault

    def rewrap(self, tenant_id: TenantId, subject: UUID, sealed: str) -> str:
        """The same secrets, with their keys wrapped by the active key. Raises CannotOpen."""
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
            raise CannotOpen(f"{place.field} is stored in an unknown format")
        if key_id not in keys:
            raise CannotOpen(f"the key {key_id!r} of {place.field} is not on the key ring")
        try:
            return decrypt(keys[key_id], envelope["wrapped"], place.of_key(key_id))
        except (InvalidTag, KeyError, TypeError, ValueError):
            raise CannotOpen(_damaged(place, key_id)) from None


def key_ids(sealed: str) -> list[str]:
    """The id of each secret's key. Raises CannotOpen if the text cannot be read."""
    return [str(envelope.get("kid")) for envelope in _written(sealed).values()]


def _damaged(place: _Place, key_id: str) -> str:
    return f"{place.field} was not sealed here with the key {key_id!r}, or it is damaged"


def _envelopes(
    tenant_id: TenantId, subject: UUID, sealed: str | None
) -> Iterator[tuple[_Place, Envelope]]:
    for field, envelope in _written(sealed).items():
        yield _Place(tenant_id, subject, field), envelope


def _written(sealed: str | None) -> dict[str, Envelope]:
    """The envelopes by field. Raises CannotOpen."""
    try:
        written: Any = json.loads(sealed) if sealed else {}
    except ValueError:
        written = None
    if not isinstance(written, dict) or not all(
        isinstance(each, dict) for each in written.values()
    ):
        raise CannotOpen("the secrets are stored in an unknown format")
    return written


def framed(*parts: str) -> bytes:
    """The parts joined, each after its length in 4 bytes, so that different parts never give the
    same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4) + part for part in encoded)


def encrypt(key: bytes, plain: bytes, bound_to: bytes) -> str:
    """AES-GCM with the associated data `bound_to`; base64 of nonce and output."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound_to)).decode()


def decrypt(key: bytes, sealed: str, bound_to: bytes) -> bytes:
    """The opposite of `encrypt`. Raises InvalidTag for a wrong key, other associated data or a
    damaged text, and ValueError or TypeError if `sealed` is no base64 text."""
    raw = base64.b64decode(sealed, validate=True)
    return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to)
