"""Object storage: one interface over S3 and over a local directory.

Keys are slash-separated and relative: `{tenantSlug}/migrations/{uniqueId}.{ext}`. No key is also
the folder of another one, since servers that keep objects as files cannot hold both.
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


CONTENT_TYPE = "content-type"  # in the metadata, and to S3 the object's own as well


class ObjectNotFound(LookupError):
    """No object, or no unfinished write, has this key."""


class ObjectChanged(RuntimeError):
    """The object is no longer the one whose ETag was pinned."""


class StorageUnavailable(RuntimeError):
    """The store cannot serve; the message is a sentence for the operator that says why."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is known of an object without reading it. Metadata keys are lower case."""

    key: str
    size: int
    etag: str
    modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Streams both ways in constant memory; a write that fails leaves no object behind.

    Every method raises ValueError for a key that `checked_key` refuses and StorageUnavailable
    where the store cannot do its work.
    """

    async def write(
        self, key: str, body: AsyncIterator[bytes], metadata: Mapping[str, str] | None = None
    ) -> StoredObject:
        """Store the stream under the key once it has ended; an exception in `body` aborts it."""
        ...

    async def put_file(self, key: str, path: Path) -> None:
        """Store a local file under the key; the file may be moved rather than copied."""
        ...

    def stream(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """The object's bytes in pieces. Raises ObjectNotFound, or ObjectChanged if not `etag`."""
        ...

    async def local_path(self, key: str, etag: str) -> Path | None:
        """Where the object lies on this machine, if it does: cheaper to open than to stream.

        Raises ObjectNotFound, or ObjectChanged if not `etag`.
        """
        ...

    async def read(self, key: str) -> bytes:
        """A small object whole. Raises ObjectNotFound."""
        ...

    async def stat(self, key: str) -> StoredObject:
        """Raises ObjectNotFound."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object whose key starts with the prefix (metadata left out), in key order."""
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; keys that do not exist are fine."""
        ...

    async def abort_stale_writes(self, before: datetime) -> int:
        """Remove what broken writes left (multipart uploads, partial files); how many it was."""
        ...

    async def ping(self) -> None:
        """Raises StorageUnavailable if the store cannot be written to."""
        ...


def checked_key(key: str) -> str:
    """The key itself, if every store can hold it.

    Raises ValueError for an empty, absolute or climbing key, for control characters (XML listings
    cannot carry them), for more than S3's 1,024 bytes and for segments beyond 255 bytes, which is
    the longest file name.
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
    """The prefix itself, if a key can start with it; ValueError otherwise."""
    checked_key(prefix + "x")
    return prefix


def checked_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The metadata with its names in lower case, as S3 returns them.

    They travel as HTTP headers: names are ASCII letters, digits and hyphens, values are printable
    ASCII without blanks around. Raises ValueError for anything else.
    """
    for name, value in (metadata or {}).items():
        if not (_METADATA_NAME.fullmatch(name) and _METADATA_VALUE.fullmatch(value)):
            raise ValueError(f"not object metadata: {name!r}: {value!r}")
    return {name.lower(): value for name, value in (metadata or {}).items()}


async def regrouped(body: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of exactly `size`, the last one shorter; nothing if empty."""
    held = bytearray()
    async for piece in body:
        held += piece
        while len(held) >= size:
            yield bytes(memoryview(held)[:size])
            del held[:size]
    if held:
        yield bytes(held)
