"""Reads an upload: its fields and its file, in whichever order they arrive."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from api.auth import Caller
from api.context import Context
from api.errors import ApiError, validation_errors
from api.migration.form import Form
from api.migration.given import MAPPING, Given, MappingConfig, check_source
from api.migration.stored_file import (
    Named,
    StoredFile,
    check_format,
    check_sum,
    described,
    store_file,
)
from domain.mapping.mapping import ImportMapping
from domain.values.zones import check_place
from sources.readers.encoding import check_charset
from storage.migration.jobs import NewJob
from storage.objects.store import StorageUnavailable

_REQUIRED = ("sourceSystem", "entityType")


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("not valid JSON") from None


def delimiter_of(value: object) -> object:
    """The delimiter itself, or the one that a word such as `tab` names. Raises ValueError."""
    found = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}.get(str(value))
    found = found or str(value)
    if len(found) != 1 or found in '"\r\n\0' or found.isalnum():
        raise ValueError("give `tab` or one character that is no letter, digit, quote or line end")
    return found


class UploadFields(Given):
    """The form's fields beside the file."""

    model_config = ConfigDict(frozen=True)

    mapping: Annotated[MappingConfig | None, BeforeValidator(_json)] = Field(
        None, validation_alias=MAPPING
    )
    source_system: str
    entity_type: str
    source_instance: str = Field(default="", max_length=200)
    dry_run: bool = False
    source_timezone: Annotated[str, AfterValidator(check_place)] | None = None
    charset: Annotated[str, AfterValidator(check_charset)] | None = None
    delimiter: Annotated[str, BeforeValidator(delimiter_of)] | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    wait: float = Field(default=10, ge=0, le=60)

    @property
    def named(self) -> Named:
        return Named(self.source_system, self.entity_type, self.source_timezone, self.sha256)


class ReceivedUpload(NamedTuple):
    """A checked upload whose file is in storage: ready to be recorded as a job."""

    fields: UploadFields
    mapping: ImportMapping | None
    stored: NewJob


@dataclass(frozen=True, slots=True)
class UploadReader:
    """Reads one caller's upload."""

    context: Context
    caller: Caller
    form: Form

    async def read(self) -> ReceivedUpload:
        """Check the fields before the file, store the file, check the fields after it.

        If the upload is refused or breaks off, nothing stays in storage. Raises ApiError, BadInput.
        """
        values = await self.form.fields()
        fields, mapping = None, None
        if all(name in values for name in _REQUIRED):
            fields, mapping = await self._read_fields(values)
        early = fields.named if fields else None
        stored = await store_file(self.context, self.caller, self.form, early)
        try:
            before = len(values)
            await self.form.later(values)
            if fields is None or len(values) > before:
                fields, mapping = await self._read_fields(values)
                check_format(fields.named, stored.format)
                check_sum(fields.named, stored.sha256)
            if early is None:
                stored = await described(self.context.store, stored, fields.named)
        except BaseException:
            with suppress(StorageUnavailable):  # the reaper deletes the file later
                await self.context.store.delete([stored.key])
            raise
        return ReceivedUpload(fields, mapping, _job(self.caller, fields, stored))

    async def _read_fields(
        self, values: dict[str, str]
    ) -> tuple[UploadFields, ImportMapping | None]:
        fields = read_fields(values).of(self.caller)
        async with self.context.database.tenant(self.caller.tenant_id) as connection:
            asked = fields.entity_type, fields.source_system
            return fields, await fields.chosen(connection, *asked)


def read_fields(values: dict[str, str]) -> UploadFields:
    """The fields, checked. Raises ApiError 422 that points at each invalid field."""
    try:
        fields = UploadFields.model_validate(values)
    except ValidationError as error:
        raise ApiError(
            "invalid_request", "a form field is not valid", errors=validation_errors(error)
        ) from error
    check_source(fields.source_system, fields.entity_type)
    return fields


def _job(caller: Caller, fields: UploadFields, stored: StoredFile) -> NewJob:
    return NewJob(
        source_system=fields.source_system,
        source_instance=fields.source_instance,
        entity_type=fields.entity_type,
        format=stored.format,
        charset=fields.charset or stored.charset,
        delimiter=fields.delimiter,
        file_name=stored.name,
        object_key=stored.key,
        object_size=stored.size,
        object_etag=stored.etag,
        sha256=stored.sha256,
        source_timezone=fields.source_timezone,
        dry_run=fields.dry_run,
        created_by=caller.key_id,
    )
