"""The file of an upload, from its first byte to an object in storage that says what it is."""

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

_PLAIN = " !#$&'()+,;=@[]{}~^"  # in names, as they are
_NAME_CHARS = 1_000  # of a name in metadata, for all of which S3 has 2 KB


@dataclass(frozen=True, slots=True)
class Named:
    """What the fields say of the file."""

    source_system: str
    entity_type: str
    source_timezone: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in storage; `charset` is what its part says of it."""

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
    """Stream the file into storage. Nothing stays behind if it is refused or breaks off.

    `named` is None where the fields come after the file: `described` says then what it is.
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
    """The file with what its object says of it, which no store adds to an object that it has."""
    about = _about(named, file.name, file.format)
    stored = await store.write(file.key, store.stream(file.key, file.etag), about)
    return replace(file, size=stored.size, etag=stored.etag)


def _about(named: Named, name: str, format: str) -> dict[str, str]:
    """The object's metadata; the name percent-encoded, as headers are ASCII."""
    while len(quote(name, safe=_PLAIN)) > _NAME_CHARS:
        name = name[1:].strip()
    return {
        "sourceSystem": named.source_system,
        "entityType": named.entity_type,
        "originalName": quote(name, safe=_PLAIN),
        "content-type": CONTENT_TYPES[format],
    }


def check_format(named: Named, format: str) -> None:
    """Raises BadInput for a format, or a zone, that the source system's files are never in."""
    source = SOURCES[named.source_system]
    if format not in source.readers:
        detail = f"{named.source_system} exports are not read as {format.upper()}"
        raise BadInput("format_unsupported", detail)
    is_zoned = named.source_timezone not in (None, *UTC_NAMES)
    if is_zoned and format in source.only_utc:
        detail = (
            f"{format.upper()} of {named.source_system} holds UTC, so sourceTimezone contradicts"
            " the file; leave it out, or insist in mapping.sourceTimezone"
        )
        raise BadInput("time_zone_contradicted", detail)


def check_sum(named: Named, actual: str) -> None:
    """Raises BadInput if another one was announced."""
    if named.sha256 and not hmac.compare_digest(named.sha256.lower(), actual):
        detail = "the bytes that arrived do not have the SHA-256 that was announced"
        raise BadInput("checksum_mismatch", detail)


def clean_name(name: str) -> str:
    """The file's name for people to recognise: no path, no control or direction characters."""
    base = PurePosixPath(name.replace("\\", "/")).name
    visible = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return re.sub(r"\s+", " ", visible).strip()[-200:] or "upload"


async def _peek(body: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, and the body from its beginning again."""
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
    """Raises BadInput if others took the room while the file came; none do until the transaction
    ends."""
    await migration.hold_room(connection, caller.tenant_id)
    _check_room(await _room(context, connection), size)


async def _room(context: Context, connection: AsyncConnection) -> int:
    """How many bytes the tenant may still store; its unfinished jobs hold the others."""
    return context.settings.tenant_quota_bytes - await migration.stored_bytes(connection)


def _check_room(room: int, size: int) -> None:
    if size > room:
        detail = "the tenant's unfinished migrations leave no room for this file"
        raise BadInput("quota_exceeded", detail, limit=max(room, 0), actual=size)


async def _bounded(
    body: AsyncIterator[bytes], digest: "hashlib._Hash", named: Named | None, room: int
) -> AsyncIterator[bytes]:
    received = 0
    async for piece in body:
        received += len(piece)
        _check_room(room, received)
        digest.update(piece)
        yield piece
    if named is not None:
        check_sum(named, digest.hexdigest())
