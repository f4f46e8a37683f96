"""What requests of migrations have in common, in the platform's words beside ours."""

from typing import Any, Self
from uuid import UUID

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller
from api.errors import ApiError
from domain.json_document import Json
from domain.mapping.entities.registry import ENTITIES
from domain.mapping.mapping import ImportMapping, mapping_problems
from sources import SOURCES
from storage.migration import templates as template

MAPPING = AliasChoices("mapping", "mappingConfig")


class MappingConfig(ImportMapping):
    """A mapping that may say what it is for, as the platform's `mappingConfig` does."""

    entity_type: str | None = None
    source_system: str | None = None

    def plain(self, entity_type: str, source_system: str | None = None) -> ImportMapping:
        """The mapping itself. Raises ApiError 422 that lists every fault of it, one that is for
        something else included."""
        mapping = plain(self)
        faults = [
            {"pointer": f"/{to_camel(name)}", "code": "other_mapping", "detail": f"this is {asked}"}
            for name, asked in (("entity_type", entity_type), ("source_system", source_system))
            if asked is not None and getattr(self, name) not in (None, asked)
        ]
        check_mapping(mapping, entity_type, faults)
        return mapping


def plain(given: ImportMapping) -> ImportMapping:
    """The mapping within a model that has more members."""
    return ImportMapping.model_validate(
        {name: getattr(given, name) for name in ImportMapping.model_fields}
    )


class Given(BaseModel):
    """A mapping in full (`mapping`, or `mappingConfig`), or the name of a template that has it
    (`mappingTemplateId`, or `templateId`); and whose request it is."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    tenant_slug: str | None = None
    mapping: MappingConfig | None = Field(None, validation_alias=MAPPING)
    mapping_template_id: UUID | None = Field(
        None, validation_alias=AliasChoices("mappingTemplateId", "templateId")
    )
    _template_name: str = "mappingTemplateId"  # what the request calls it

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, values: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        given = read(values)
        if isinstance(values, dict) and "templateId" in values:
            given._template_name = "templateId"
        return given

    @property
    def names_one(self) -> bool:
        return self.mapping is not None or self.mapping_template_id is not None

    def of(self, caller: Caller) -> Self:
        """The request itself. Raises ApiError 403 if it is for another tenant."""
        check_tenant(self.tenant_slug, caller)
        return self

    async def chosen(
        self, connection: AsyncConnection, entity_type: str, source_system: str | None = None
    ) -> ImportMapping | None:
        """The mapping that it names, if any. Raises ApiError 422 for one that cannot work."""
        if self.mapping is not None:
            return self.mapping.plain(entity_type, source_system)
        if self.mapping_template_id is None:
            return None
        found = await template.find(connection, self.mapping_template_id)
        if found is None:
            raise unknown(self._template_name, "there is no such template")
        mapping = template.mapping_of(found)
        check_mapping(mapping, entity_type)
        return mapping


def check_tenant(slug: str | None, caller: Caller) -> None:
    """Raises ApiError 403 for another tenant's."""
    if slug not in (None, caller.slug):
        raise ApiError("forbidden", "this key belongs to another tenant")


def check_source(system: str, entity_type: str) -> None:
    """Raises ApiError 422 unless this source system is known and has such records."""
    if system not in SOURCES:
        raise unknown("sourceSystem", f"{system!r} is none of {', '.join(SOURCES)}")
    if entity_type not in SOURCES[system].entities:
        known = ", ".join(SOURCES[system].entities)
        raise unknown("entityType", f"{entity_type!r} is none of what {system} has: {known}")


def check_mapping(mapping: ImportMapping, entity_type: str, more: list[Json] | None = None) -> None:
    """Raises ApiError 422 that lists every fault of the mapping, and those known already."""
    found = mapping_problems(mapping, ENTITIES[entity_type])
    faults = [*(more or []), *(each.model_dump() for each in found)]
    if faults:
        raise ApiError("mapping_invalid", "the mapping cannot work", errors=faults)


def unknown(field: str, detail: str) -> ApiError:
    return ApiError("invalid_request", detail, errors=[{"pointer": f"/{field}"}])
