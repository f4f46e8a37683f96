"""Stores the file of an upload as an object whose metadata describes it."""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from api.auth import Caller
from api.context import Context
from api.migration.form import Form
from domain.failures import BadInput
from domain.values.zones import UTC_NAMES
from sources import SOURCES
from sources.readers.detect import CONTENT_TYPES, HEAD_BYTES, detect
from storage.migration import jobs as migration
from storage.objects.store import ObjectStore

_PLAIN = " !#$&'()+,;=@[]{}~^"  # characters of a file name that need no percent-encoding
_NAME_CHARS = 1_000  # of the encoded name: S3 takes 2 KB of metadata in all


@dataclass(frozen=True, slots=True)
class Named:
    """What the form's fields say about the file."""

    source_system: str
    entity_type: str
    source_timezone: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in storage. `charset` is the one named in the headers of the file's part, if any."""

    name: str
    format: str
    charset: str | None
    key: str
    size: int
    etag: str
    sha256: str


async def store_file(
    context: Context, caller: Caller, form: Form, named: Named | None
) -> StoredFile:
    """Stream the file into storage. If it is refused or breaks off, nothing stays in storage.

    `named` is None if the fields come after the file; call `described` once they are known. Raises
    BadInput for a file that is empty, too large for the tenant's quota, of an unsupported format,
    or not what `named` says.
    """
    name = clean_name(form.file_name or "")
    head, body = await _peek(form.file())
    if not head:
        raise BadInput("file_empty", "the file has no content")
    format = detect(name, head)
    if named is not None:
        check_format(named, format)
    async with context.database.tenant(caller.tenant_id) as connection:
        room = await _room(context, connection)
    digest = hashlib.sha256()
    key = f"{caller.slug}/migrations/{str(ULID()).lower()}.{format}"
    about = _about(named, name, format) if named else None
    stored = await context.store.write(key, _bounded(body, digest, named, room), about)
    sha256 = digest.hexdigest()
    return StoredFile(name, format, form.charset, key, stored.size, stored.etag, sha256)


async def described(store: ObjectStore, file: StoredFile, named: Named) -> StoredFile:
    """Write the object once more, with metadata: no store adds metadata to an existing object."""
    about = _about(named, file.name, file.format)
    stored = await store.write(file.key, store.stream(file.key, file.etag), about)
    return replace(file, size=stored.size, etag=stored.etag)


def _about(named: Named, name: str, format: str) -> dict[str, str]:
    """The object's metadata. The name is percent-encoded, as HTTP headers are ASCII, and loses its
    beginning if it is too long."""
    while len(quote(name, safe=_PLAIN)) > _NAME_CHARS:
        name = name[1:].strip()
    return {
        "sourceSystem": named.source_system,
        "entityType": named.entity_type,
        "originalName": quote(name, safe=_PLAIN),
        "content-type": CONTENT_TYPES[format],
    }


def check_format(named: Named, format: str) -> None:
    """Raises BadInput if the source system has no files of this format, or if they hold UTC but the
    upload names another time zone."""
    source = SOURCES[named.source_system]
    if format not in source.readers:
        detail = f"{named.source_system} exports are not read as {format.upper()}"
        raise BadInput("format_unsupported", detail)
    is_zoned = named.source_timezone not in (None, *UTC_NAMES)
    if is_zoned and format in source.only_utc:
        detail = (
            f"{format.upper()} files of {named.source_system} hold UTC, so this sourceTimezone"
            " contradicts the file; leave it out, or set it in mapping.sourceTimezone to insist"
        )
        raise BadInput("time_zone_contradicted", detail)


def check_sum(named: Named, actual: str) -> None:
    """Raises BadInput if the form names another SHA-256 than that of the bytes that arrived."""
    if named.sha256 and not hmac.compare_digest(named.sha256.lower(), actual):
        detail = "the bytes that arrived do not have the SHA-256 that the form names"
        raise BadInput("checksum_mismatch", detail)


def clean_name(name: str) -> str:
    """The file's name as shown to people: without path, control and direction characters, at most
    the last 200 characters."""
    base = PurePosixPath(name.replace("\\", "/")).name
    visible = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return re.sub(r"\s+", " ", visible).strip()[-200:] or "upload"


async def _peek(body: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes of the body, and the whole body including them."""
    first = b""
    async for piece in body:
        first += piece
        if len(first) >= HEAD_BYTES:
            break

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in body:
            yield piece

    return first[:HEAD_BYTES], whole()


async def take_room(
    context: Context, caller: Caller, connection: AsyncConnection, size: int
) -> None:
    """Check the tenant's quota again, under a lock that keeps other uploads from being recorded
    until the transaction ends. Raises BadInput if they used it up while this file arrived."""
    await migration.hold_room(connection, caller.tenant_id)
    _check_room(await _room(context, connection), size)


async def _room(context: Context, connection: AsyncConnection) -> int:
    """The bytes that the tenant may still store: its quota less its unfinished jobs' files."""
    return context.settings.tenant_quota_bytes - await migration.stored_bytes(connection)


def _check_room(room: int, size: int) -> None:
    if size > room:
        detail = "the tenant's unfinished migrations leave no room for this file"
        raise BadInput("quota_exceeded", detail, limit=max(room, 0), actual=size)


async def _bounded(
    body: AsyncIterator[bytes], digest: "hashlib._Hash", named: Named | None, room: int
) -> AsyncIterator[bytes]:
    """The body unchanged, fed to `digest`. Raises BadInput as soon as it is longer than `room`, or
    at its end if the SHA-256 is another than the named one."""
    received = 0
    async for piece in body:
        received += len(piece)
        _check_room(room, received)
        digest.update(piece)
        yield piece
    if named is not None:
        check_sum(named, digest.hexdigest())
