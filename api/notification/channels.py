"""Endpoints of notification channels: the places that a tenant's notifications are sent to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Operator, Reader
from api.context import InContext
from api.errors import require_found, unique_name
from api.idempotency import (
    Created,
    IdempotencyKey,
    IdempotentRequest,
    create_once,
    request_hash,
    secret_request_hash,
)
from api.notification.channel_change import ChannelChange, ChannelWriter, NewChannel
from api.notification.channel_config import to_response
from api.page import InNumberedPage
from api.request_workflow import wake_requests
from domain.json_document import Json
from integrations import CHANNELS
from integrations.options import misplaced
from storage.notification.routing import channels as channel

router = APIRouter(prefix="/v1/notification-channels", tags=["notification channels"])


@router.get("")
async def list_channels(
    context: InContext,
    caller: Reader,
    page: InNumberedPage,
    type: Annotated[str | None, Query(max_length=100)] = None,
) -> Json:
    """List the tenant's notification channels, oldest first.

    Needs a key of the role admin, operator or viewer. `type` lists only the channels of that type.
    Secrets are masked. Answers up to `limit` channels in `data`, and in `nextCursor` the `cursor`
    of the next page, or null on the last one; with `page`, also `pagination` with the totals.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = await channel.page(connection, type, page.span)
    return page.answer_of(found, [to_response(row) for row in found.rows])


@router.post("", status_code=201)
async def create_channel(
    body: NewChannel,
    context: InContext,
    caller: Operator,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create a notification channel.

    Needs a key of the role admin or operator; the role admin if `config` says how to connect.
    Answers 201 with the channel. If a signing secret was generated for it, this answer alone shows
    it, in `secret`. Without an integration and a connection of its own, the channel sends nothing,
    and its `warnings` say so.

    409 `name_taken` if the tenant has a channel of this name; 422 for an unknown type or
    integration, or a `config` that does not fit the type.
    """

    async def create(connection: AsyncConnection) -> Created:
        id, done = await ChannelWriter(context, caller, connection).create(body)
        row = require_found(await channel.see(connection, id), "notification channel")
        return Created({"data": to_response(row)}, done.shown_once)

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    hash = await _hash(body, idempotency_key)
    with unique_name("a notification channel", body.name):
        return await create_once(request, hash, create)


async def _hash(body: NewChannel, key: str | None) -> str:
    """The request's hash, by a slow function if the config may hold secrets: a fast one would let a
    reader of the database guess them."""
    kind, fields = CHANNELS.get(body.type), body.model_dump()
    if kind is None or misplaced(kind, body.config):
        return await secret_request_hash(fields, key)
    return request_hash(fields)


@router.get("/{channel_id}")
async def get_channel(channel_id: UUID, context: InContext, caller: Reader) -> Json:
    """Read one notification channel.

    Needs a key of the role admin, operator or viewer. Answers the channel with masked secrets, the
    state of its integration (`connection_status`, `health`, `last_error`), and `warnings` that say
    why nothing is sent through it, if so. 404 if the tenant has no such channel.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await channel.see(connection, channel_id), "notification channel")
    return {"data": to_response(found)}


@router.patch("/{channel_id}")
async def change_channel(
    channel_id: UUID, body: ChannelChange, context: InContext, caller: Operator
) -> Json:
    """Change a notification channel; members that are left out keep their value.

    Needs a key of the role admin or operator; the role admin if `config` changes how to connect.
    Deliveries that are not over keep the config they were routed with, except those that were
    refused as `misconfigured` and those that wait behind them: they are sent with the new one.

    Answers the channel as it is now. If a signing secret was generated for it, this answer alone
    shows it, in `secret`. 404 if the tenant has no such channel; 409 `name_taken` if another
    channel has the name; 422 for another type, or a `config` that does not fit the type.
    """
    with unique_name("a notification channel", body.name):
        async with context.database.tenant(caller.tenant_id) as connection:
            found = require_found(
                await channel.find(connection, channel_id), "notification channel"
            )
            done = await ChannelWriter(context, caller, connection).change(found, body)
            row = require_found(await channel.see(connection, channel_id), "notification channel")
    await wake_requests(context.temporal, caller.tenant_id, done.woken)
    return {"data": to_response(row), **done.shown_once}


_Force = Annotated[bool, Query(description="Delete the channel also if users have chosen it.")]
_REPAIRED: dict[int | str, Json] = {
    200: {"description": "Deleted, and removed from the preferences of the `users`"}
}


@router.delete("/{channel_id}", status_code=204, responses=_REPAIRED)
async def delete_channel(
    channel_id: UUID, context: InContext, caller: Operator, force: _Force = False
) -> Response:
    """Delete a notification channel.

    Needs a key of the role admin or operator; the role admin if the channel has a connection of its
    own, which is deleted with it. Deliveries through that connection that are not over are
    cancelled; those through an integration are still sent.

    Answers 204 without a body. While users have chosen the channel in their preferences it is
    refused with 409 `channel_in_use`; with `force` it is removed from their preferences, and the
    answer is 200 with the ids of these `users`. 404 if the tenant has no such channel.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        writer = ChannelWriter(context, caller, connection)
        users, woken = await writer.delete(channel_id, force=force)
    await wake_requests(context.temporal, caller.tenant_id, woken)
    if users:
        return JSONResponse({"data": {"id": str(channel_id), "users": users}})
    return Response(status_code=204)
