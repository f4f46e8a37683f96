"""Integrations over HTTP: a tenant's connections to vendors. Secrets go in and never come out."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncConnection

from api.audit import note
from api.auth import Admin, Reader
from api.context import InContext
from api.errors import ApiError, require_found, unique_name
from api.idempotency import (
    Created,
    IdempotencyKey,
    IdempotentRequest,
    create_once,
    request_hash,
    secret_request_hash,
)
from api.integration.change import IntegrationChange, IntegrationWriter, NewIntegration
from api.integration.view import is_draft, to_response, type_of
from api.page import InNumberedPage
from api.request_workflow import wake_requests
from domain.json_document import Json
from domain.storable import Text
from integrations import CHANNELS
from storage.integration import integrations as integration
from storage.integration.integrations import Integration, Listed, Logged
from storage.notification import channels
from storage.notification import destinations as destination
from storage.notification import parked as waiting

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])


@router.get("/types")
async def list_types(caller: Reader) -> Json:
    """What can be connected: the JSON schema of each type's config, which of it is secret, and
    the options of its notification channels."""
    return {"data": [type_of(channel) for channel in CHANNELS.values()], "nextCursor": None}


@router.get("")
async def list_integrations(
    context: InContext,
    caller: Reader,
    page: InNumberedPage,
    type: Annotated[str | None, Query(max_length=100)] = None,
    include_inactive: Annotated[bool, Query(alias="includeInactive")] = True,
) -> Json:
    wanted: Listed = {"type": type, "is_active": None if include_inactive else True}
    async with context.database.tenant(caller.tenant_id) as connection:
        found = await integration.page(connection, wanted, page.span)
        rests = await destination.rests(connection, {row["id"] for row in found.rows})
    return page.answer_of(found, [to_response(row, rests.get(row["id"])) for row in found.rows])


@router.post("", status_code=201)
async def create_integration(
    body: NewIntegration,
    context: InContext,
    caller: Admin,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Connect a vendor. A signing secret that is made here is shown this once. Without a config it
    is not active until it gets one."""

    async def create(connection: AsyncConnection) -> Created:
        written = await IntegrationWriter(context, caller, connection).create(body)
        answer = {"data": to_response(written.row), **_unfinished(written.row)}
        return Created(answer, written.shown_once)

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    hash = await secret_request_hash(body.model_dump(), idempotency_key)
    with unique_name("an integration", body.name):
        return await create_once(request, hash, create)


@router.get("/{integration_id}")
async def get_integration(integration_id: UUID, context: InContext, caller: Reader) -> Json:
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await integration.find(connection, integration_id), "integration")
        rests = await destination.rests(connection, {integration_id})
    return {"data": to_response(found, rests.get(integration_id))}


@router.patch("/{integration_id}")
async def change_integration(
    integration_id: UUID, body: IntegrationChange, context: InContext, caller: Admin
) -> Json:
    """Change what is named. Deliveries that wait are tried again at once, whatever they wait for.

    A signing secret that is removed is made anew, and shown this once.
    """
    with unique_name("an integration", body.name):
        async with context.database.tenant(caller.tenant_id) as connection:
            found = await integration.find(connection, integration_id, lock=True)
            found = _listed(require_found(found, "integration"))
            written = await IntegrationWriter(context, caller, connection).change(found, body)
            woken = await waiting.wake(connection, integration_id)
            silent = await _silenced(connection, written.row)
    if written.row["is_active"]:
        await wake_requests(context.temporal, caller.tenant_id, woken)
    return {"data": to_response(written.row), **written.shown_once, **silent}


@router.post("/{integration_id}/rotate-secret")
async def rotate_secret(
    integration_id: UUID,
    context: InContext,
    caller: Admin,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """A new signing secret, shown this once. The one before signs along for 24 hours."""

    async def rotate(connection: AsyncConnection) -> Created:
        found = await integration.find(connection, integration_id, lock=True)
        found = require_found(found, "integration")
        written = await IntegrationWriter(context, caller, connection).rotate(found)
        await waiting.wake(connection, integration_id)
        return Created({"data": to_response(written.row)}, written.shown_once)

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    hash = request_hash({"rotate": str(integration_id)})
    return await create_once(request, hash, rotate, 200)


@router.delete("/{integration_id}", status_code=204)
async def delete_integration(integration_id: UUID, context: InContext, caller: Admin) -> Response:
    """Remove it with its secrets and its log; deliveries that are not over are cancelled."""
    async with context.database.tenant(caller.tenant_id) as connection:
        found = await integration.find(connection, integration_id, lock=True)
        _listed(require_found(found, "integration"))
        reason = "the integration was deleted"
        cancelled = await waiting.cancel(connection, integration_id, reason)
        await integration.remove(connection, integration_id)
        await note(connection, caller, "delete", "integration", integration_id)
    await wake_requests(context.temporal, caller.tenant_id, cancelled)
    return Response(status_code=204)


@router.get("/{integration_id}/logs")
async def list_logs(
    integration_id: UUID,
    context: InContext,
    caller: Reader,
    page: InNumberedPage,
    level: Literal["info", "warning", "error"] | None = None,
    action: Annotated[Text | None, Query(max_length=100)] = None,
    since: AwareDatetime | None = None,
) -> Json:
    """What was done with the integration, newest first."""
    wanted: Logged = {"level": level, "action": action, "since": since}
    async with context.database.tenant(caller.tenant_id) as connection:
        require_found(await integration.find(connection, integration_id), "integration")
        found = await integration.logged(connection, integration_id, wanted, page.span)
    return page.answer_of(found, [dict(row) for row in found.rows])


def _listed(row: Integration) -> Integration:
    """The integration itself. Raises ApiError 409 for one that is a notification channel's own."""
    if row["channel_id"] is not None:
        where = f"/v1/notification-channels/{row['channel_id']}"
        detail = f"this is the connection of one notification channel: change or delete {where}"
        raise ApiError("belongs_to_channel", detail)
    return row


def _unfinished(row: Integration) -> dict[str, list[str]]:
    """A warning for one without a config."""
    said = "nothing is sent through it: it has no config yet, and is switched on with it"
    return {"warnings": [said]} if is_draft(row) else {}


async def _silenced(connection: AsyncConnection, row: Integration) -> dict[str, list[str]]:
    """Warnings for one that is switched off: which of the default channels lead through it."""
    names = [] if row["is_active"] else await channels.defaults_through(connection, row["id"])
    said = "nothing is sent through the default channel {!r}: its integration is switched off"
    return {"warnings": [said.format(name) for name in names]} if names else {}
