"""Mapping templates over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller, Operator, Reader
from api.context import InContext
from api.errors import not_found, require_found, unique_name
from api.idempotency import Created, IdempotencyKey, IdempotentRequest, create_once, request_hash
from api.migration.given import MappingConfig, check_mapping, check_source, check_tenant, plain
from api.page import InPage
from domain.json_document import Json
from domain.mapping.mapping import ImportMapping
from storage.migration import templates as template

router = APIRouter(prefix="/v1/migration/templates", tags=["templates"])

_MAPPING = ("mapping", "mappingConfig")
_MEMBERS = {name for field in ImportMapping.model_fields for name in (field, to_camel(field))}
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Nested(BaseModel):
    """A mapping under a name, for one source system and one entity type."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    name: Name
    source_system: str
    entity_type: str
    tenant_slug: str | None = None
    mapping: MappingConfig = Field(validation_alias=AliasChoices(*_MAPPING))

    def plain(self) -> ImportMapping:
        return self.mapping.plain(self.entity_type, self.source_system)


class Flat(ImportMapping):
    """The same with the mapping's members beside its name, as the platform's client sends it."""

    name: Name
    source_system: str
    entity_type: str
    tenant_slug: str | None = None

    def plain(self) -> ImportMapping:
        mapping = plain(self)
        check_mapping(mapping, self.entity_type)
        return mapping


def _form(body: Any) -> str:
    members = body.keys() if isinstance(body, dict) else set()
    is_flat = members & _MEMBERS and not members & set(_MAPPING)
    return "<flat>" if is_flat else "<nested>"


class TemplateBody(
    RootModel[
        Annotated[
            Annotated[Nested, Tag("<nested>")] | Annotated[Flat, Tag("<flat>")],
            Discriminator(_form),
        ]
    ]
):
    """A template in either form."""

    def values(self, caller: Caller) -> Json:
        """The row's columns. Raises ApiError 422 for what cannot work."""
        given = self.root
        check_tenant(given.tenant_slug, caller)
        check_source(given.source_system, given.entity_type)
        mapping = given.plain()
        return {
            "name": given.name,
            "source_system": given.source_system,
            "target_entity": given.entity_type,
            "mapping": mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        }


@router.get("")
async def list_templates(context: InContext, caller: Reader, page: InPage) -> Json:
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await template.page(connection, page.wanted, page.after)
    return page.answer(rows, [_to_response(row) for row in rows])


@router.post("", status_code=201)
async def create_template(
    body: TemplateBody,
    context: InContext,
    caller: Operator,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    values = body.values(caller)

    async def create(connection: AsyncConnection) -> Created:
        row = await template.create(
            connection, caller.tenant_id, values | {"created_by": caller.key_id}
        )
        return Created({"data": _to_response(row)})

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    with unique_name("a template", body.root.name):
        return await create_once(request, request_hash(values), create)


@router.get("/{template_id}")
async def get_template(template_id: UUID, context: InContext, caller: Reader) -> Json:
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await template.find(connection, template_id), "template")
    return {"data": _to_response(found)}


@router.put("/{template_id}")
async def replace_template(
    template_id: UUID, body: TemplateBody, context: InContext, caller: Operator
) -> Json:
    values = body.values(caller)
    with unique_name("a template", body.root.name):
        async with context.database.tenant(caller.tenant_id) as connection:
            found = await template.replace(connection, template_id, values)
    return {"data": _to_response(require_found(found, "template"))}


@router.delete("/{template_id}", status_code=204)
async def delete_template(template_id: UUID, context: InContext, caller: Operator) -> Response:
    async with context.database.tenant(caller.tenant_id) as connection:
        if not await template.remove(connection, template_id):
            raise not_found("template")
    return Response(status_code=204)


def _to_response(row: template.Template) -> Json:
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "sourceSystem": row["source_system"],
        "entityType": row["target_entity"],
        "mapping": row["mapping"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }
