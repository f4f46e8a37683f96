"""Notification channels over HTTP: where a tenant is told things, and who is told by default."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Operator, Reader
from api.change import note, without_defaults
from api.context import InContext
from api.errors import existing, not_found, unique_name
from api.idempotency import IdempotencyKey, once_within, request_hash
from api.integration_config import channel_of, refuse
from api.page import InPage
from domain.notification import Text
from domain.storable import JsonObject, at_most
from storage import channel, integration

router = APIRouter(prefix="/v1/notification-channels", tags=["notification channels"])

_KIND = "notification_channel"  # in the audit log
_OPTION_BYTES = 8 * 2**10


class NewChannel(BaseModel):
    """`config` is what the channel says beside its integration, such as `{"channel": "#ops"}`."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    type: str
    integration_id: UUID | None = None
    config: Annotated[JsonObject, at_most(_OPTION_BYTES)] = Field(default_factory=dict)
    is_default: bool = False
    is_active: bool = True


class ChannelChange(NewChannel):
    """What is left out stays as it is; what is given replaces it whole."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Annotated[Text, Field(min_length=1, max_length=200)] = ""
    type: str = ""


@router.get("")
async def list_channels(context: InContext, caller: Reader, page: InPage) -> dict[str, Any]:
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await channel.page(connection, page.wanted, page.after)
    return page.answer(rows, rows)


@router.post("", status_code=201)
async def create_channel(
    body: NewChannel,
    context: InContext,
    caller: Operator,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    hash = request_hash(body.model_dump())
    with unique_name("a notification channel", body.name):
        async with once_within(context.database, caller.tenant_id, idempotency_key) as (hold, tx):
            earlier = hold.replay(hash)
            if earlier is not None:
                return earlier
            channel_of(body.type)
            await _check_integration(tx, body.integration_id, body.type)
            row = await channel.create(tx, body.model_dump())
            await note(tx, caller, "create", _KIND, row["id"])
            answer = to_jsonable_python({"data": row})
            await hold.settle(tx, hash, 201, answer)
    return JSONResponse(answer, 201)


@router.get("/{channel_id}")
async def get_channel(channel_id: UUID, context: InContext, caller: Reader) -> dict[str, Any]:
    async with context.database.tenant(caller.tenant_id) as connection:
        found = existing(await channel.find(connection, channel_id), "notification channel")
    return {"data": found}


@router.patch("/{channel_id}")
async def change_channel(
    channel_id: UUID, body: ChannelChange, context: InContext, caller: Operator
) -> dict[str, Any]:
    """Change what is named; deliveries that are on their way keep the config they have."""
    with unique_name("a notification channel", body.name):
        async with context.database.tenant(caller.tenant_id) as connection:
            found = await channel.find(connection, channel_id, lock=True)
            found = existing(found, "notification channel")
            row = found | body.model_dump(exclude_unset=True)
            if row["type"] != found["type"]:
                refuse("type_fixed", "the type of a channel cannot change", type="it is another")
            await _check_integration(connection, row["integration_id"], row["type"])
            row = await channel.replace(connection, row)
            await note(connection, caller, "update", _KIND, channel_id)
    return {"data": row}


@router.delete("/{channel_id}", status_code=204)
async def delete_channel(channel_id: UUID, context: InContext, caller: Operator) -> Response:
    """Remove it; deliveries that are on their way stay so."""
    async with context.database.tenant(caller.tenant_id) as connection:
        if not await channel.remove(connection, channel_id):
            raise not_found("notification channel")
        await note(connection, caller, "delete", _KIND, channel_id)
    return Response(status_code=204)


async def _check_integration(
    connection: AsyncConnection, integration_id: UUID | None, type: str
) -> None:
    """Raises ApiError 422 if there is no such integration, or if it is of another type."""
    if integration_id is None:
        return
    found = await integration.find(connection, integration_id, lock=True)
    if found is None:
        detail = "there is no such integration"
        refuse("unknown_integration", detail, integration_id=detail)
    if found["type"] != type:
        detail = f"the integration is of type {found['type']}"
        refuse("type_mismatch", "channel and integration are of one type", type=detail)
