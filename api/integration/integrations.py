"""Endpoints of integrations: a tenant's connections to vendors. No answer shows a stored secret."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
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
from storage.notification import destinations as destination
from storage.notification import parked as waiting
from storage.notification.routing import channels

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])


@router.get("/types")
async def list_types(caller: Reader) -> Json:
    """List the types of integrations.

    Needs a key of the role admin, operator or viewer. Each type has the JSON schema of its config
    (`config_schema`), the names of the config's secrets (`secrets`), the JSON schema of its
    notification channels' options (`options_schema`), and its `limits`: rate and retries.
    """
    return {"data": [type_of(channel) for channel in CHANNELS.values()], "nextCursor": None}


@router.get("")
async def list_integrations(
    context: InContext,
    caller: Reader,
    page: InNumberedPage,
    type: Annotated[str | None, Query(max_length=100)] = None,
    include_inactive: Annotated[bool, Query(alias="includeInactive")] = True,
) -> Json:
    """List the tenant's integrations, oldest first.

    Needs a key of the role admin, operator or viewer. `type` lists only the integrations of that
    type; `includeInactive=false` leaves out those that are switched off. Secrets are masked. A
    notification channel's own connection is not listed: read its channel.

    Answers up to `limit` integrations in `data`, and in `nextCursor` the `cursor` of the next page,
    or null on the last one; with `page`, also `pagination` with the totals.
    """
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
    """Create an integration: a connection to a vendor.

    Needs a key of the role admin. Answers 201 with the integration, its secrets masked. If a
    signing secret was generated for it, this answer alone shows it, in `secret`. Without a config
    it is a draft: `warnings` say that it is not active until `PATCH` gives it one.

    409 `name_taken` if the tenant has an integration of this name; 422 for an unknown type, a
    config that is not valid, or an address that may not be called.
    """

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
    """Read one integration.

    Needs a key of the role admin, operator or viewer. Answers its config with masked secrets, the
    state of its connection (`connection_status`, `health`, `last_error`), and in `rests_until` the
    time until which the vendor asked for a pause, or null. 404 if the tenant has no such
    integration.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await integration.find(connection, integration_id), "integration")
        rests = await destination.rests(connection, {integration_id})
    return {"data": to_response(found, rests.get(integration_id))}


@router.patch("/{integration_id}")
async def change_integration(
    integration_id: UUID, body: IntegrationChange, context: InContext, caller: Admin
) -> Json:
    """Change an integration; members that are left out keep their value.

    Needs a key of the role admin. In `config` null removes a member. A changed destination (a URL,
    host or region) needs every secret again. Deliveries that wait for the integration are tried
    again at once, whatever they wait for, unless it is switched off.

    Answers the integration as it is now. A signing secret that was removed is generated anew, and
    this answer alone shows it, in `secret`. If the integration is switched off, `warnings` name the
    default channels that send nothing any more.

    404 if the tenant has no such integration; 409 `name_taken`, or `belongs_to_channel` if it is a
    notification channel's own connection; 422 for a config that is not valid, `secret_required` if
    secrets have to be given again, or an address that may not be called.
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
    """Generate a new signing secret for an integration.

    Needs a key of the role admin. The previous secret also signs for 24 hours, so that receivers
    can be changed over. Answers the integration, and the new secret in `secret`: this answer alone
    shows it, and a repetition with the same `Idempotency-Key` does not.

    404 if the tenant has no such integration; 409 `no_signing_secret` if its type has none, or
    `config_missing` if it has no config yet.
    """

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
    """Delete an integration with its secrets and its log.

    Needs a key of the role admin. Its deliveries that are not over are cancelled; its notification
    channels stay, and send nothing until they get another integration. Answers 204 without a body.
    404 if the tenant has no such integration; 409 `belongs_to_channel` if it is a notification
    channel's own connection: delete the channel instead.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = await integration.find(connection, integration_id, lock=True)
        _listed(require_found(found, "integration"))
        reason = "the integration was deleted"
        cancelled = await waiting.cancel(connection, integration_id, reason)
        await integration.remove(connection, integration_id)
        await note(connection, caller, "delete", "integration", integration_id)
    await wake_requests(context.temporal, caller.tenant_id, cancelled)
    return Response(status_code=204)


class LogFilter:
    """Query parameters of a log; an entry is listed if it meets all of them."""

    def __init__(
        self,
        level: Literal["info", "warning", "error"] | None = None,
        action: Annotated[Text | None, Query(max_length=100)] = None,
        since: AwareDatetime | None = None,
    ) -> None:
        self.wanted: Logged = {"level": level, "action": action, "since": since}


@router.get("/{integration_id}/logs")
async def list_logs(
    integration_id: UUID,
    context: InContext,
    caller: Reader,
    page: InNumberedPage,
    only: Annotated[LogFilter, Depends()],
) -> Json:
    """List what was done with an integration, newest first.

    Needs a key of the role admin, operator or viewer. `level`, `action` and `since` list only the
    entries of that level, of that action, or from that time on. Answers up to `limit` entries in
    `data`, and in `nextCursor` the `cursor` of the next page, or null on the last one; with `page`,
    also `pagination` with the totals. 404 if the tenant has no such integration.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        require_found(await integration.find(connection, integration_id), "integration")
        found = await integration.logged(connection, integration_id, only.wanted, page.span)
    return page.answer_of(found, [dict(row) for row in found.rows])


def _listed(row: Integration) -> Integration:
    """The integration itself. Raises ApiError 409 for a notification channel's own connection."""
    if row["channel_id"] is not None:
        where = f"/v1/notification-channels/{row['channel_id']}"
        detail = f"this is a notification channel's own connection: change or delete {where}"
        raise ApiError("belongs_to_channel", detail)
    return row


def _unfinished(row: Integration) -> dict[str, list[str]]:
    """A warning for an integration without a config."""
    said = "nothing is sent through this integration until it gets a config"
    return {"warnings": [said]} if is_draft(row) else {}


async def _silenced(connection: AsyncConnection, row: Integration) -> dict[str, list[str]]:
    """Warnings for a switched-off integration: one for each default channel that uses it."""
    names = [] if row["is_active"] else await channels.defaults_through(connection, row["id"])
    said = "nothing is sent through the default channel {!r}: its integration is switched off"
    return {"warnings": [said.format(name) for name in names]} if names else {}
