"""Notification channels over HTTP: where a tenant is told things, and who is told by default."""

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
from storage.notification import channels as channel

router = APIRouter(prefix="/v1/notification-channels", tags=["notification channels"])


@router.get("")
async def list_channels(
    context: InContext,
    caller: Reader,
    page: InNumberedPage,
    type: Annotated[str | None, Query(max_length=100)] = None,
) -> Json:
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
    """Make a channel. With a connection of its own it takes a key of the role admin; a signing
    secret that is made for that is shown this once."""

    async def create(connection: AsyncConnection) -> Created:
        id, done = await ChannelWriter(context, caller, connection).create(body)
        row = require_found(await channel.see(connection, id), "notification channel")
        return Created({"data": to_response(row)}, done.shown_once)

    request = IdempotentRequest(context.database, caller.tenant_id, idempotency_key)
    hash = await _hash(body, idempotency_key)
    with unique_name("a notification channel", body.name):
        return await create_once(request, hash, create)


async def _hash(body: NewChannel, key: str | None) -> str:
    """Slow to try where the config is more than options, and may hold secrets."""
    kind, fields = CHANNELS.get(body.type), body.model_dump()
    if kind is None or misplaced(kind, body.config):
        return await secret_request_hash(fields, key)
    return request_hash(fields)


@router.get("/{channel_id}")
async def get_channel(channel_id: UUID, context: InContext, caller: Reader) -> Json:
    """The channel, how its integration fares, and, as `warnings`, why nothing goes through it."""
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await channel.see(connection, channel_id), "notification channel")
    return {"data": to_response(found)}


@router.patch("/{channel_id}")
async def change_channel(
    channel_id: UUID, body: ChannelChange, context: InContext, caller: Operator
) -> Json:
    """Change what is named. Deliveries that are on their way keep the config they have, but for
    those that waited for it to be mended."""
    with unique_name("a notification channel", body.name):
        async with context.database.tenant(caller.tenant_id) as connection:
            found = require_found(
                await channel.find(connection, channel_id), "notification channel"
            )
            done = await ChannelWriter(context, caller, connection).change(found, body)
            row = require_found(await channel.see(connection, channel_id), "notification channel")
    await wake_requests(context.temporal, caller.tenant_id, done.woken)
    return {"data": to_response(row), **done.shown_once}


_Force = Annotated[bool, Query(description="Take it out of the preferences that name it.")]
_REPAIRED: dict[int | str, Json] = {
    200: {"description": "Deleted, and taken out of the preferences of the `users`"}
}


@router.delete("/{channel_id}", status_code=204, responses=_REPAIRED)
async def delete_channel(
    channel_id: UUID, context: InContext, caller: Operator, force: _Force = False
) -> Response:
    """Remove it. Deliveries that are on their way stay so, but for those through a connection of
    the channel's own, which goes with it. Refused while users' preferences name it."""
    async with context.database.tenant(caller.tenant_id) as connection:
        writer = ChannelWriter(context, caller, connection)
        users, woken = await writer.delete(channel_id, force=force)
    await wake_requests(context.temporal, caller.tenant_id, woken)
    if users:
        return JSONResponse({"data": {"id": str(channel_id), "users": users}})
    return Response(status_code=204)
