"""Endpoints that test an integration, saved or not: a workflow runs while the caller waits."""

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

_PATIENCE = 29.0  # seconds; a test takes at most 20, so by then no worker is available
_HIDDEN = {"checks": {"__all__": {"kind"}}}


class Draft(BaseModel):
    """An integration to test before it is saved; members as in a new integration."""

    model_config = ConfigDict(extra="forbid")

    type: str
    config: JsonObject = Field(default_factory=dict)
    credentials: JsonObject = Field(default_factory=dict)


@router.post("/test")
async def test_draft(body: Draft, context: InContext, caller: Admin) -> Json:
    """Test a config before it is saved.

    Needs a key of the role admin. The test connects to the vendor, check by check; afterwards the
    config is not kept. Answers 200 also if the test fails: `success` is then false, `error` has the
    first fault, and `checks` lists what was checked.

    422 for an unknown type or a config that is not valid; 503 `unavailable` if no worker finishes
    the test within 29 seconds.
    """
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
    """Test the connection of an integration, and record the result as its status.

    Needs a key of the role admin or operator. The test connects to the vendor, check by check; if
    it succeeds, waiting deliveries of the integration are tried at once. Answers 200 also if the
    test fails: `success` is then false, `error` has the first fault, and `checks` lists what was
    checked.

    404 if the tenant has no such integration; 409 `config_missing` if it has no config yet; 503
    `unavailable` if no worker finishes the test within 29 seconds.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        found = require_found(await integration.find(connection, integration_id), "integration")
    check_configured(found)
    return await _outcome(context, caller.tenant_id, integration_id, saved=True)


async def _outcome(context: Context, tenant_id: TenantId, id: UUID, *, saved: bool) -> Json:
    """The result of the test. Raises ApiError 503 if no worker finishes it in time, or an operator
    ends it in Temporal."""
    input = m.IntegrationTestInput(tenant_id=tenant_id, subject=str(id), saved=saved)
    handle = await start_integration_test(context.temporal, input, str(uuid4()))
    try:
        async with asyncio.timeout(_PATIENCE):
            outcome = await handle.result()
    except TimeoutError as error:
        raise ApiError("unavailable", "no worker has finished the test in time") from error
    except WorkflowFailureError as error:
        raise _ended() from error
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise _ended() from error  # an operator deleted it in Temporal
    return {"data": outcome.model_dump(exclude_none=True, exclude=_HIDDEN)}


def _ended() -> ApiError:
    detail = "an operator ended the test in Temporal before it had a result; test again"
    return ApiError("unavailable", detail)
