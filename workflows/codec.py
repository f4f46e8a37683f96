"""Encrypts payloads, so that the Temporal cluster only ever holds ciphertext.

AES-256-GCM; the key's id travels in the payload's metadata and is authenticated with it, so that
keys can be rotated: the first key of the ring encrypts, every key of the ring decrypts.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from domain.keyring import Keyring

_ENCODING = b"binary/encrypted"
_NONCE_BYTES = 12


class EncryptionCodec(PayloadCodec):
    """Encrypts and decrypts payloads. Payloads that are not encrypted, such as those from before
    encryption was switched on, are decoded as they are.

    Decoding raises ValueError that names the key if it is missing or is not the right one.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        key_id, nonce = self._keyring.active, os.urandom(_NONCE_BYTES)
        cipher = AESGCM(self._keyring.keys[key_id])
        sealed = cipher.encrypt(nonce, payload.SerializeToString(), key_id.encode())
        metadata = {"encoding": _ENCODING, "encryption-key-id": key_id.encode()}
        return Payload(metadata=metadata, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        key_id = payload.metadata.get("encryption-key-id", b"").decode(errors="replace")
        if key_id not in self._keyring.keys:
            raise ValueError(f"the payload's key {key_id!r} is not on the key ring")
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        cipher = AESGCM(self._keyring.keys[key_id])
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, key_id.encode()))
        except (InvalidTag, ValueError):
            detail = f"the payload was not sealed with the key {key_id!r} of this key ring"
            raise ValueError(f"{detail}, or it is damaged") from None
