"""Object storage: one interface over S3 and over a local directory.

Keys are relative paths with slashes: `{tenantSlug}/migrations/{uniqueId}.{ext}`. No key may be the
folder of another key, since servers that keep objects as files cannot hold both.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

_SEGMENT = re.compile(r"[^/\x00-\x1f\x7f\ud800-\udfff]+")
_METADATA_NAME = re.compile(r"[A-Za-z0-9-]+")
_METADATA_VALUE = re.compile(r"[\x21-\x7e]+( +[\x21-\x7e]+)*")


CONTENT_TYPE = "content-type"  # a metadata name; S3 gets its value as the object's type as well


class ObjectNotFound(LookupError):
    """No object has this key."""


class ObjectChanged(RuntimeError):
    """The object under the key no longer has the ETag that the caller asked for."""


class StorageUnavailable(RuntimeError):
    """The store cannot do its work; the message tells the operator why."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's properties without its bytes; `size` in bytes. Metadata names are lower case."""

    key: str
    size: int
    etag: str
    modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Reads and writes streams in constant memory; a write that fails leaves no object behind.

    Every method raises ValueError for a key that `checked_key` refuses and StorageUnavailable
    where the store cannot do its work.
    """

    async def write(
        self, key: str, body: AsyncIterator[bytes], metadata: Mapping[str, str] | None = None
    ) -> StoredObject:
        """Store the bytes of `body` under the key. The object appears when `body` has ended; an
        exception raised by `body` aborts the write."""
        ...

    async def put_file(self, key: str, path: Path) -> None:
        """Store a local file under the key; the file may be moved rather than copied."""
        ...

    def stream(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """The object's bytes in pieces. Raises ObjectNotFound, or ObjectChanged if the object does
        not have the ETag `etag`."""
        ...

    async def local_path(self, key: str, etag: str) -> Path | None:
        """The object's file on this machine, which is cheaper to open than to stream; None if the
        store has no files here.

        Raises ObjectNotFound, or ObjectChanged if the object does not have the ETag `etag`.
        """
        ...

    async def read(self, key: str) -> bytes:
        """All bytes of a small object. Raises ObjectNotFound."""
        ...

    async def stat(self, key: str) -> StoredObject:
        """The object's properties. Raises ObjectNotFound."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """All objects whose keys start with the prefix, in key order, without their metadata."""
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; keys that do not exist are ignored."""
        ...

    async def abort_stale_writes(self, before: datetime) -> int:
        """Remove unfinished writes (multipart uploads, partial files) that are older than `before`;
        returns how many there were."""
        ...

    async def ping(self) -> None:
        """Check that the store can be written to. Raises StorageUnavailable."""
        ...


def checked_key(key: str) -> str:
    """The key itself, if every store can hold it.

    Raises ValueError for an empty or absolute key, for `.` and `..`, for control characters (XML
    listings cannot carry them), for more than 1,024 bytes (S3's limit), and for a segment of more
    than 255 bytes (the longest file name).
    """
    segments = key.split("/")
    if not all(map(_is_segment, segments)) or len(key.encode()) > 1024:
        raise ValueError(f"not an object key: {key!r}")
    return key


def _is_segment(segment: str) -> bool:
    return (
        _SEGMENT.fullmatch(segment) is not None
        and segment not in (".", "..")
        and len(segment.encode()) <= 255
    )


def checked_prefix(prefix: str) -> str:
    """The prefix itself, if a key can start with it. Raises ValueError otherwise."""
    checked_key(prefix + "x")
    return prefix


def checked_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The metadata with its names in lower case, as S3 returns them.

    S3 transfers metadata as HTTP headers: names are ASCII letters, digits and hyphens; values are
    printable ASCII without blanks at either end. Raises ValueError for anything else.
    """
    for name, value in (metadata or {}).items():
        if not (_METADATA_NAME.fullmatch(name) and _METADATA_VALUE.fullmatch(value)):
            raise ValueError(f"not object metadata: {name!r}: {value!r}")
    return {name.lower(): value for name, value in (metadata or {}).items()}


async def regrouped(body: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of exactly `size` bytes; the last may be shorter. An empty body
    gives no piece."""
    held = bytearray()
    async for piece in body:
        held += piece
        while len(held) >= size:
            yield bytes(memoryview(held)[:size])
            del held[:size]
    if held:
        yield bytes(held)
