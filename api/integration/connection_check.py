"""Testing an integration, saved or not: a durable call that answers while the caller waits."""

import asyncio
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from api.auth import Admin, Operator
from api.context import Context, InContext
from api.errors import ApiError, require_found
from api.integration.config import (
    SplitConfig,
    channel_of,
    joined,
    patched,
    validate,
    with_signing_secret,
)
from api.integration.view import check_configured
from domain.json_document import Json
from domain.storable import JsonObject
from domain.tenant import TenantId
from storage.integration import drafts as draft
from storage.integration import integrations as integration
from workflows.integration import messages as m
from workflows.integration.start import start_integration_test

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])

_PATIENCE = 29.0  # seconds; the test itself takes less, so more means that no worker is there
_HIDDEN = {"checks": {"__all__": {"kind"}}}


class Draft(BaseModel):
    """An integration that is not saved."""

    model_config = ConfigDict(extra="forbid")

    type: str
    config: JsonObject = Field(default_factory=dict)
    credentials: JsonObject = Field(default_factory=dict)


@router.post("/test")
async def test_draft(body: Draft, context: InContext, caller: Admin) -> Json:
    """Test a config before it is saved. Nothing of it is kept; a failed test is an answer, too."""
    channel, given = channel_of(body.type), joined(body.config, body.credentials)
    config = validate(channel, patched(channel, {}, given), context.policy)
    parts = SplitConfig.of(channel, with_signing_secret(channel, config))
    async with context.database.tenant(caller.tenant_id) as connection:
        id = await integration.new_id(connection)
        sealed = context.vault.seal(caller.tenant_id, id, parts.secrets)
        row = draft.NewDraft(id=id, type=body.type, config=parts.plain, credentials=sealed)
        await draft.create(connection, row)
    return await _outcome(context, caller.tenant_id, id, saved=False)


@router.post("/{integration_id}/test")
async def test_integration(integration_id: UUID, context: InContext, caller: Operator) -> Json:
    """Test the connection and note what was found. A failed test is an answer, too."""
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await integration.find(connection, integration_id), "integration")
    check_configured(found)
    return await _outcome(context, caller.tenant_id, integration_id, saved=True)


async def _outcome(context: Context, tenant_id: TenantId, id: UUID, *, saved: bool) -> Json:
    """Raises ApiError 503 if no worker has done it in time, or an operator has ended it."""
    input = m.IntegrationTestInput(tenant_id=tenant_id, subject=str(id), saved=saved)
    handle = await start_integration_test(context.temporal, input, str(uuid4()))
    try:
        async with asyncio.timeout(_PATIENCE):
            outcome = await handle.result()
    except TimeoutError as error:
        raise ApiError("unavailable", "no worker has done the test in time") from error
    except WorkflowFailureError as error:
        raise _ended() from error
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise _ended() from error  # it was deleted there
    return {"data": outcome.model_dump(exclude_none=True, exclude=_HIDDEN)}


def _ended() -> ApiError:
    detail = "the test was ended in Temporal before it had a result; test again"
    return ApiError("unavailable", detail)
