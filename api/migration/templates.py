"""Endpoints of mapping templates: mappings stored under a name, to be used again."""

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
    """A template whose mapping is in the member `mapping` (or `mappingConfig`)."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    name: Name
    source_system: str
    entity_type: str
    tenant_slug: str | None = None
    mapping: MappingConfig = Field(validation_alias=AliasChoices(*_MAPPING))

    def plain(self) -> ImportMapping:
        """The mapping. Raises ApiError 422 if it cannot work."""
        return self.mapping.plain(self.entity_type, self.source_system)


class Flat(ImportMapping):
    """A template with the mapping's members beside its name, as FireLater's own client sends."""

    name: Name
    source_system: str
    entity_type: str
    tenant_slug: str | None = None

    def plain(self) -> ImportMapping:
        """The mapping. Raises ApiError 422 if it cannot work."""
        mapping = plain(self)
        check_mapping(mapping, self.entity_type)
        return mapping


def _form(body: Any) -> str:
    """The tag of the form that a body has: flat if it has members of a mapping and no `mapping`."""
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
    """A mapping under a name, for one source system and one entity type.

    The mapping is in `mapping`, or its members stand beside the name.
    """

    def values(self, caller: Caller) -> Json:
        """The columns of the template's row. Raises ApiError 403 for another tenant's slug, 422 for
        an unknown source system or entity type, or a mapping that cannot work."""
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
    """List the tenant's mapping templates, oldest first.

    Needs a key of the role admin, operator or viewer. Answers one page: up to `limit` templates in
    `data`, and in `nextCursor` the `cursor` of the next page, or null on the last one.
    """
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
    """Store a mapping under a name, for uploads, previews and executions to refer to.

    Needs a key of the role admin or operator. Answers 201 with the template and its `id`.

    409 `name_taken` if the tenant has a template of this name; 422 `mapping_invalid` with every
    fault of the mapping; 422 `invalid_request` for an unknown source system or entity type.
    """
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
    """Read one mapping template.

    Needs a key of the role admin, operator or viewer. 404 if the tenant has no such template.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await template.find(connection, template_id), "template")
    return {"data": _to_response(found)}


@router.put("/{template_id}")
async def replace_template(
    template_id: UUID, body: TemplateBody, context: InContext, caller: Operator
) -> Json:
    """Replace a mapping template as a whole; jobs that have used it keep the mapping they had.

    Needs a key of the role admin or operator. Answers the template as it is now. 404 if the tenant
    has no such template; 409 `name_taken` if another template has the name; 422 as when creating.
    """
    values = body.values(caller)
    with unique_name("a template", body.root.name):
        async with context.database.tenant(caller.tenant_id) as connection:
            found = await template.replace(connection, template_id, values)
    return {"data": _to_response(require_found(found, "template"))}


@router.delete("/{template_id}", status_code=204)
async def delete_template(template_id: UUID, context: InContext, caller: Operator) -> Response:
    """Delete a mapping template; jobs that have used it keep the mapping they had.

    Needs a key of the role admin or operator. Answers 204 without a body. 404 if the tenant has no
    such template.
    """
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
