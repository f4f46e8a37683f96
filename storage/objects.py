"""Object storage: one interface over S3 and over a local directory.

Keys are slash-separated and relative: `{tenantSlug}/migrations/{uniqueId}.{ext}`.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


class ObjectNotFound(LookupError):
    """No object has this key."""


class ObjectChanged(RuntimeError):
    """The object is no longer the one whose ETag was pinned."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is known of an object without reading it. Metadata keys are lower case."""

    key: str
    size: int
    etag: str
    modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Streams both ways in constant memory; a write that fails leaves no object behind."""

    async def write(
        self, key: str, body: AsyncIterator[bytes], metadata: dict[str, str] | None = None
    ) -> StoredObject:
        """Store the stream under the key once it has ended; an exception in `body` aborts it."""
        ...

    async def put_file(self, key: str, path: Path) -> None:
        """Store a local file under the key; the file may be moved rather than copied."""
        ...

    def stream(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """The object's bytes in pieces. Raises ObjectNotFound, or ObjectChanged if not `etag`."""
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
        """Raises if the store cannot be written to."""
        ...
