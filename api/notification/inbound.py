"""The endpoint that vendors call: what people do in one tool becomes an event for the others."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import ValidationError

from api.context import Context, InContext
from api.errors import ApiError
from api.notification.accept_actions import Source, accept_actions
from api.request_workflow import start_accepted
from domain.json_document import Json
from domain.tenant import TenantId
from integrations import CHANNELS
from integrations.channel import Channel
from integrations.inbound import CALL_BYTES, Call, Forged, Inbound
from storage.integration import integrations as integration
from storage.integration.integrations import Integration
from storage.notification.notifications import Sender
from storage.secrets.vault import CannotOpen
from storage.tenancy.integration_owners import owner_of

router = APIRouter(prefix="/v1/inbound", tags=["inbound"])

_UNKNOWN = "no integration with this id takes calls from its vendor"


@router.post("/{integration_id}")
async def receive(
    integration_id: UUID, request: Request, context: InContext, later: BackgroundTasks
) -> Json:
    """Take a call from a vendor: a button that somebody pressed in Slack, a webhook of PagerDuty.

    Needs no API key, but the vendor's signature, which the integration's config has the secret for.
    What a person did to an entity becomes an event, which goes to the other tools. A repeated call,
    and an action that changes nothing, have no effect.

    Answers 200 with `accepted`, the number of events. 401 `signature_invalid` if the call is not
    signed by the vendor, or too old. 404 if no integration with this id takes calls. 413
    `body_too_large` beyond 1 MiB.
    """
    body = await _body(request)
    tenant_id, row = await _integration(context, integration_id)
    channel, reader, config = _opened(context, tenant_id, row)
    call = Call({name.lower(): value for name, value in request.headers.items()}, body, _now())
    try:
        report = reader.read(config, call)
    except Forged as refused:
        raise ApiError("signature_invalid", str(refused)) from None
    sender = Sender(f"inbound/{integration_id}", integration_id if reader.shows_own else None)
    source = Source(tenant_id, row["id"], channel.title, sender)
    done = await accept_actions(context.database, source, report)
    if done.events:
        # After the answer: Slack wants it within 3 s, and Temporal may be slow to reach.
        later.add_task(start_accepted, context.temporal, done.request, done.events)
    return {"accepted": len(done.events)}


def _now() -> datetime:
    return datetime.now(UTC)


async def _body(request: Request) -> bytes:
    """The body, as it was signed. Raises ApiError 413 beyond CALL_BYTES."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > CALL_BYTES:
            raise ApiError("body_too_large", "the body is too large", limit=CALL_BYTES)
    return body


async def _integration(context: Context, id: UUID) -> tuple[TenantId, Integration]:
    tenant_id = await owner_of(context.database, id)
    if tenant_id is not None:
        async with context.database.tenant(tenant_id) as connection:
            row = await integration.find(connection, id)
        if row is not None and row["is_active"]:
            return tenant_id, row
    raise ApiError("not_found", _UNKNOWN)


def _opened(
    context: Context, tenant_id: TenantId, row: Integration
) -> tuple[Channel[Any], Inbound[Any], Any]:
    """The type of the integration, its reader of calls, and its config with secrets. Raises
    ApiError 404 where the type takes no calls, or the config has no secret to check them with."""
    channel = CHANNELS.get(row["type"])
    if channel is None or channel.inbound is None:
        raise ApiError("not_found", _UNKNOWN)
    try:
        secrets = context.vault.open(tenant_id, row["id"], row["credentials"])
        config = channel.config.model_validate({**row["config"], **secrets})
    except (CannotOpen, ValidationError):
        raise ApiError("not_found", _UNKNOWN) from None
    if not channel.inbound.is_ready(config):
        raise ApiError("not_found", _UNKNOWN)
    return channel, channel.inbound, config
