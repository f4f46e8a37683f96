"""What migration requests share: a mapping or a template, and the tenant they are for.

Members may have the names of this API or those of FireLater's own client (`mappingConfig`).
"""

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
    """A mapping that may also name the entity type and the source system that it is for."""

    entity_type: str | None = None
    source_system: str | None = None

    def plain(self, entity_type: str, source_system: str | None = None) -> ImportMapping:
        """The mapping without the names of what it is for. Raises ApiError 422 that lists every
        fault, also if it is for another entity type or source system than the given ones."""
        mapping = plain(self)
        faults = [
            {
                "pointer": f"/{to_camel(name)}",
                "code": "other_mapping",
                "detail": f"expected {asked}",
            }
            for name, asked in (("entity_type", entity_type), ("source_system", source_system))
            if asked is not None and getattr(self, name) not in (None, asked)
        ]
        check_mapping(mapping, entity_type, faults)
        return mapping


def plain(given: ImportMapping) -> ImportMapping:
    """The mapping alone, taken out of a model that has further members."""
    return ImportMapping.model_validate(
        {name: getattr(given, name) for name in ImportMapping.model_fields}
    )


class Given(BaseModel):
    """A mapping: in full as `mapping` (or `mappingConfig`), or as the id of a stored template in
    `mappingTemplateId` (or `templateId`). A full mapping goes before a template.

    `tenantSlug` is optional; a request with another tenant's slug is refused with 403.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    tenant_slug: str | None = None
    mapping: MappingConfig | None = Field(None, validation_alias=MAPPING)
    mapping_template_id: UUID | None = Field(
        None, validation_alias=AliasChoices("mappingTemplateId", "templateId")
    )
    _template_name: str = "mappingTemplateId"  # the name that the request used, for errors

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, values: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        given = read(values)
        if isinstance(values, dict) and "templateId" in values:
            given._template_name = "templateId"
        return given

    @property
    def names_one(self) -> bool:
        """Whether the request has a mapping or the id of a template."""
        return self.mapping is not None or self.mapping_template_id is not None

    def of(self, caller: Caller) -> Self:
        """The request itself. Raises ApiError 403 if its `tenantSlug` is another tenant's."""
        check_tenant(self.tenant_slug, caller)
        return self

    async def chosen(
        self, connection: AsyncConnection, entity_type: str, source_system: str | None = None
    ) -> ImportMapping | None:
        """The mapping or that of the template; None if the request names neither.

        Raises ApiError 422 for an unknown template or a mapping that cannot work.
        """
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
    """Raises ApiError 403 if a slug is given and is not the caller's tenant."""
    if slug not in (None, caller.slug):
        raise ApiError("forbidden", "this key belongs to another tenant")


def check_source(system: str, entity_type: str) -> None:
    """Raises ApiError 422 unless the source system is known and has this entity type."""
    if system not in SOURCES:
        raise unknown("sourceSystem", f"{system!r} is not one of {', '.join(SOURCES)}")
    if entity_type not in SOURCES[system].entities:
        known = ", ".join(SOURCES[system].entities)
        raise unknown("entityType", f"{system} has no {entity_type!r}; its entity types: {known}")


def check_mapping(mapping: ImportMapping, entity_type: str, more: list[Json] | None = None) -> None:
    """Raises ApiError 422 that lists every fault of the mapping, after the faults in `more`."""
    found = mapping_problems(mapping, ENTITIES[entity_type])
    faults = [*(more or []), *(each.model_dump() for each in found)]
    if faults:
        raise ApiError("mapping_invalid", "the mapping cannot work", errors=faults)


def unknown(field: str, detail: str) -> ApiError:
    """ApiError 422 that points at one field of the request."""
    return ApiError("invalid_request", detail, errors=[{"pointer": f"/{field}"}])
