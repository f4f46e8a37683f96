"""Takes an upload in: fields, then the file straight into storage, then a job and its workflow."""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from ulid import ULID

from api.auth import Caller
from api.context import Context
from api.errors import ApiError, validation_errors
from api.form import Form
from domain.entity import ENTITIES
from domain.failures import BadInput
from domain.format import HEAD_BYTES, detect
from domain.mapping import Mapping, mapping_problems
from domain.zones import check_place
from sources import SOURCES
from sources.encoding import check_charset
from storage import migration, template
from storage.migration import NewJob


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("not valid JSON") from None


def delimiter_of(value: object) -> object:
    """The character, or the one that a word names."""
    found = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}.get(str(value))
    found = found or str(value)
    if len(found) != 1 or found in '"\r\n\0' or found.isalnum():
        raise ValueError("one character that is no letter, digit, quote or line end, or `tab`")
    return found


class UploadFields(BaseModel):
    """The form's fields before the file, named as the platform names them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    source_system: str
    entity_type: str
    source_instance: str = Field(default="", max_length=200)
    tenant_slug: str | None = None
    mapping_template_id: UUID | None = None
    mapping: Annotated[Mapping | None, BeforeValidator(_json)] = None
    dry_run: bool = False
    source_timezone: Annotated[str, AfterValidator(check_place)] | None = None
    charset: Annotated[str, AfterValidator(check_charset)] | None = None
    delimiter: Annotated[str, BeforeValidator(delimiter_of)] | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    wait: float = Field(default=10, ge=0, le=60)


def read_fields(values: dict[str, str]) -> UploadFields:
    """Raises ApiError 422 that points at the field."""
    try:
        fields = UploadFields.model_validate(values)
    except ValidationError as error:
        raise ApiError(
            422, "invalid_request", "a form field is not valid", errors=validation_errors(error)
        ) from error
    check_source(fields.source_system, fields.entity_type)
    if fields.mapping is not None:
        check_mapping(fields.mapping, fields.entity_type)
    return fields


def check_source(system: str, entity_type: str) -> None:
    """Raises ApiError 422 unless this source system is known and has such records."""
    if system not in SOURCES:
        raise _unknown("sourceSystem", f"{system!r} is none of {', '.join(SOURCES)}")
    if entity_type not in SOURCES[system].tables:
        known = ", ".join(SOURCES[system].tables)
        raise _unknown("entityType", f"{entity_type!r} is none of what {system} has: {known}")


def _unknown(field: str, detail: str) -> ApiError:
    return ApiError(422, "invalid_request", detail, errors=[{"pointer": f"/{field}"}])


def check_mapping(mapping: Mapping, entity_type: str) -> None:
    """Raises ApiError 422 that lists every fault of the mapping."""
    faults = [each.model_dump() for each in mapping_problems(mapping, ENTITIES[entity_type])]
    if faults:
        raise ApiError(422, "mapping_invalid", "the mapping cannot work", errors=faults)


def _check_zone(fields: UploadFields, format: str) -> None:
    """Raises BadInput for a zone that the format's values are never in."""
    named = fields.source_timezone not in (None, "UTC", "Etc/UTC")
    if named and format in SOURCES[fields.source_system].only_utc:
        detail = (
            f"{format.upper()} of {fields.source_system} holds UTC, so sourceTimezone contradicts"
            " the file; leave it out, or insist in mapping.sourceTimezone"
        )
        raise BadInput("time_zone_contradicted", detail)


async def chosen_mapping(context: Context, caller: Caller, fields: UploadFields) -> Mapping | None:
    """The mapping that comes with the upload: in full, or as the name of a template."""
    if fields.mapping is not None or fields.mapping_template_id is None:
        return fields.mapping
    async with context.database.tenant(caller.tenant_id) as connection:
        found = await template.find(connection, fields.mapping_template_id)
    if found is None:
        raise _unknown("mappingTemplateId", "there is no such template")
    mapping = template.mapping_of(found)
    check_mapping(mapping, fields.entity_type)
    return mapping


async def store_file(context: Context, caller: Caller, fields: UploadFields, form: Form) -> NewJob:
    """Stream the file into storage. Nothing stays behind if it is refused or breaks off."""
    name = clean_name(form.file_name or "")
    head, body = await _peek(form.file())
    if not head:
        raise BadInput("file_empty", "the file has no content")
    format = detect(name, head)
    if format not in SOURCES[fields.source_system].readers:
        detail = f"{fields.source_system} exports are not read as {format.upper()}"
        raise BadInput("format_unsupported", detail)
    _check_zone(fields, format)
    room = await _room(context, caller)
    digest = hashlib.sha256()
    key = f"{caller.slug}/migrations/{str(ULID()).lower()}.{format}"
    about = {"sourcesystem": fields.source_system, "entitytype": fields.entity_type}
    stored = await context.store.write(key, _checked(body, digest, fields.sha256, room), about)
    return NewJob(
        source_system=fields.source_system,
        source_instance=fields.source_instance,
        entity_type=fields.entity_type,
        format=format,
        charset=fields.charset or form.charset,
        delimiter=fields.delimiter,
        file_name=name,
        object_key=stored.key,
        object_size=stored.size,
        object_etag=stored.etag,
        sha256=digest.hexdigest(),
        source_timezone=fields.source_timezone,
        dry_run=fields.dry_run,
        created_by=caller.key_id,
    )


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


async def _room(context: Context, caller: Caller) -> int:
    """How many bytes the tenant may still store; its unfinished jobs hold the others."""
    async with context.database.tenant(caller.tenant_id) as connection:
        held = await migration.stored_bytes(connection)
    return context.settings.tenant_quota_bytes - held


async def _checked(
    body: AsyncIterator[bytes], digest: "hashlib._Hash", expected: str | None, room: int
) -> AsyncIterator[bytes]:
    received = 0
    async for piece in body:
        received += len(piece)
        if received > room:
            detail = "the tenant's unfinished migrations leave no room for this file"
            raise BadInput("quota_exceeded", detail, limit=max(room, 0), actual=received)
        digest.update(piece)
        yield piece
    if expected and not hmac.compare_digest(expected.lower(), digest.hexdigest()):
        detail = "the bytes that arrived do not have the SHA-256 that was announced"
        raise BadInput("checksum_mismatch", detail)
