"""Object storage in a local directory, for one machine."""

import asyncio
import errno
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from storage.files import discarded, flush_to_disk, move_durably, new_draft, remove_empty_folders
from storage.objects.store import (
    ObjectChanged,
    ObjectNotFound,
    StorageUnavailable,
    StoredObject,
    checked_key,
    checked_metadata,
    checked_prefix,
    regrouped,
)

P = ParamSpec("P")
T = TypeVar("T")

PIECE_BYTES = 2**20  # one call in a thread for each MiB
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class LocalStore:
    """Keeps bytes in `objects/<key>`, metadata in `metadata/<key>`, unfinished files in `partial/`.

    An object counts as stored once its bytes and its name are on disk. The ETag consists of the
    file's inode, size and modification time: a new file under the same key has another ETag.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._objects = root / "objects"
        self._metadata = root / "metadata"
        self._partial = root / "partial"

    async def write(
        self, key: str, body: AsyncIterator[bytes], metadata: Mapping[str, str] | None = None
    ) -> StoredObject:
        checked_key(key)
        headers = checked_metadata(metadata)
        with discarded(await self._run(new_draft, self._partial)) as draft:
            async for piece in regrouped(body, PIECE_BYTES):
                await self._run(draft.write, piece)
            await self._run(self._publish, draft, key, headers)
        return await self.stat(key)

    async def put_file(self, key: str, path: Path) -> None:
        await self._run(self._take, path, checked_key(key))

    async def stream(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        with await self._run(self._open, checked_key(key)) as file:
            if etag not in (None, _etag(os.fstat(file.fileno()))):
                raise ObjectChanged(key)
            while piece := await self._run(file.read, PIECE_BYTES):
                yield piece

    async def local_path(self, key: str, etag: str) -> Path | None:
        if (await self.stat(key)).etag != etag:
            raise ObjectChanged(key)
        return self._objects / key

    async def read(self, key: str) -> bytes:
        return b"".join([piece async for piece in self.stream(key)])

    async def stat(self, key: str) -> StoredObject:
        return await self._run(self._stat, checked_key(key))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        for found in await self._run(self._found, checked_prefix(prefix)):
            yield found

    async def delete(self, keys: Iterable[str]) -> None:
        await self._run(self._delete, [checked_key(key) for key in keys])

    async def abort_stale_writes(self, before: datetime) -> int:
        return await self._run(self._remove_drafts, before.timestamp())

    async def ping(self) -> None:
        with discarded(await self._run(new_draft, self._partial)) as draft:
            await self._run(flush_to_disk, draft)

    async def _run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(step, *args, **kwargs)
        except OSError as error:
            where = error.filename or self._root
            raise StorageUnavailable(
                f"local storage {self._root} (LOCAL_STORAGE_DIR) failed at {where}: "
                f"{error.strerror}"
            ) from error

    def _publish(self, draft: BinaryIO, key: str, metadata: dict[str, str]) -> None:
        flush_to_disk(draft)
        self._write_metadata(key, metadata)
        move_durably(Path(draft.name), self._objects / key, self._root)

    def _write_metadata(self, key: str, metadata: dict[str, str]) -> None:
        if not metadata:
            with suppress(*_ABSENT):
                (self._metadata / key).unlink()
            return
        with discarded(new_draft(self._partial)) as draft:
            draft.write(json.dumps(metadata).encode())
            flush_to_disk(draft)
            move_durably(Path(draft.name), self._metadata / key, self._root)

    def _take(self, path: Path, key: str) -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            self._write_metadata(key, {})
            try:
                move_durably(path, self._objects / key, self._root)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                with discarded(new_draft(self._partial)) as draft:
                    shutil.copyfileobj(file, draft, PIECE_BYTES)
                    self._publish(draft, key, {})

    def _open(self, key: str) -> BinaryIO:
        try:
            return (self._objects / key).open("rb")
        except _ABSENT as error:
            raise ObjectNotFound(key) from error

    def _stat(self, key: str) -> StoredObject:
        with self._open(key) as file:
            status = os.fstat(file.fileno())
        try:
            metadata = json.loads((self._metadata / key).read_bytes())
        except _ABSENT:
            metadata = {}
        return _described(key, status, metadata)

    def _found(self, prefix: str) -> Sequence[StoredObject]:
        found = []
        for folder, _, names in os.walk(self._objects / prefix.rpartition("/")[0]):
            for path in (Path(folder, name) for name in names):
                key = path.relative_to(self._objects).as_posix()
                if key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        found.append(_described(key, path.stat(), {}))
        return sorted(found, key=lambda each: each.key)

    def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            for top in (self._objects, self._metadata):
                with suppress(*_ABSENT):
                    (top / key).unlink()
                remove_empty_folders((top / key).parent, top)

    def _remove_drafts(self, before: float) -> int:
        removed = 0
        for path in self._partial.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed


def _described(key: str, status: os.stat_result, metadata: dict[str, str]) -> StoredObject:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return StoredObject(key, status.st_size, _etag(status), modified, metadata)


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"
