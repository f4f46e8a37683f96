"""Endpoints of tenants and API keys."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Admin, Platform
from api.context import InContext
from api.errors import ApiError, not_found
from api.idempotency import Created, IdempotencyKey, IdempotentRequest, create_once, request_hash
from domain.json_document import Json
from domain.tenant import SLUG_PATTERN
from storage.tenancy import api_keys, tenants

router = APIRouter(prefix="/v1")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class NewTenant(_Body):
    """A tenant: its data is separate from that of all others. `slug` is its unique short name."""

    slug: str = Field(pattern=SLUG_PATTERN)
    name: str = Field(min_length=1, max_length=200)


class NewApiKey(_Body):
    """An API key of the caller's tenant; without `expiresAt` it is valid until it is revoked."""

    name: str = Field(min_length=1, max_length=200)
    role: Literal["admin", "operator", "viewer", "notifier"]
    expires_at: AwareDatetime | None = None


@router.post("/tenants", status_code=201, tags=["tenants"])
async def create_tenant(
    body: NewTenant, context: InContext, _: Platform, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a tenant with its own database schema and a first API key of the role admin.

    Needs the platform's admin key, not a tenant's key. Answers 201 with the tenant, and with
    `apiKey`, which this answer alone shows; a repetition with the same `Idempotency-Key` does not.
    409 `slug_taken` if another tenant has the slug.
    """

    async def create(connection: AsyncConnection) -> Created:
        try:
            tenant, key = await tenants.create(connection, body.slug, body.name)
        except tenants.SlugTaken as error:
            raise ApiError("slug_taken", f"there is a tenant {body.slug!r} already") from error
        data = {"id": tenant.id, "slug": tenant.slug, "name": tenant.name}
        return Created({"data": data}, {"apiKey": key})

    request = IdempotentRequest(context.database, None, idempotency_key)
    return await create_once(request, request_hash(body.model_dump()), create)


@router.get("/api-keys", tags=["keys"])
async def list_api_keys(context: InContext, caller: Admin) -> Json:
    """List the API keys of the tenant that are not revoked, oldest first.

    Needs a key of the role admin. Each has its id, name, role and times of expiry and last use; the
    keys themselves are not stored and cannot be shown.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        keys = await api_keys.listed(connection)
    return {"data": [_to_response(key) for key in keys], "nextCursor": None}


@router.post("/api-keys", status_code=201, tags=["keys"])
async def create_api_key(
    body: NewApiKey, context: InContext, caller: Admin, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create an API key for the tenant.

    Needs a key of the role admin. Answers 201 with the key's id, name and role, and with `apiKey`,
    the key itself, which this answer alone shows; a repetition with the same `Idempotency-Key` does
    not.
    """

    async def create(connection: AsyncConnection) -> Created:
        shown, key = await api_keys.create(
            connection, caller.tenant_id, body.role, body.name, body.expires_at
        )
        return Created({"data": _to_response(shown)}, {"apiKey": key})

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    return await create_once(request, request_hash(body.model_dump()), create)


@router.delete("/api-keys/{key_id}", status_code=204, tags=["keys"])
async def revoke_api_key(key_id: str, context: InContext, caller: Admin) -> Response:
    """Revoke an API key of the tenant; it stops working at once.

    Needs a key of the role admin. Answers 204 without a body. 404 if the tenant has no such key, or
    it is revoked already.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        if not await api_keys.revoke(connection, key_id):
            raise not_found("API key")
    return Response(status_code=204)


def _to_response(key: api_keys.ApiKey) -> Json:
    return {to_camel(name): value for name, value in key.items()}
