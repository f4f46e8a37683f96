"""The key ring: the keys that encrypt secrets and payloads, as the text of a file."""

import base64
from dataclasses import dataclass

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id; the first one is the one that encrypts."""

    keys: dict[str, bytes]

    @classmethod
    def parse(cls, text: str, name: str = "the key ring") -> "Keyring":
        """Read lines `id: base64 of 32 bytes`; empty lines and those that begin with # are skipped.

        Raises ValueError with the number of the faulty line, but without the key in it.
        """
        keys: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key_id, key = _read(line)
            if len(key) != KEY_BYTES or not key_id:
                raise ValueError(f"{name} line {number}: not 'id: base64 of 32 bytes'")
            if key_id in keys:
                raise ValueError(f"{name} line {number}: the key {key_id!r} is there twice")
            keys[key_id] = key
        if not keys:
            raise ValueError(f"{name} holds no key")
        return cls(keys)

    @property
    def active(self) -> str:
        return next(iter(self.keys))


def with_first(text: str, key_id: str, key: bytes) -> str:
    """The text of a ring with one more key, in the first place, where it becomes the active one."""
    return f"{key_id}: {base64.b64encode(key).decode()}\n{text}"


def without(text: str, key_id: str) -> str:
    """The text of a ring without one of its keys; all other lines stay as they are."""
    return "".join(line for line in text.splitlines(keepends=True) if _id(line) != key_id)


def _read(line: str) -> tuple[str, bytes]:
    key_id, _, encoded = line.partition(":")
    try:
        return key_id.strip(), base64.b64decode(encoded.strip(), validate=True)
    except ValueError:  # for letters beyond ASCII; binascii.Error, for the rest, is one, too
        return key_id.strip(), b""


def _id(line: str) -> str:
    return line.partition(":")[0].strip()
