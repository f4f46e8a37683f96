"""The API's hand on a job's workflow: start it, ask it something; say plainly what it answers."""

import asyncio
import logging
from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.errors import ApiError
from domain.notification import Event, Severity, stated_severity
from domain.tenant import TenantId
from storage.migration import Job, summary
from workflows.messages import JobRef, RequestRef
from workflows.rollback import RollbackInput
from workflows.starting import (
    migration_id,
    start_notification,
    start_rollback,
    wake_notification,
)

_log = logging.getLogger(__name__)
_START_SECONDS = 5
_AT_ONCE = 20  # workflows that a caller waits for
_PATIENCE = 30  # seconds for a worker to take an update; the work it asks for may take longer


def reference(job: Job) -> JobRef:
    return JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))


async def roll_back(temporal: Client, job: Job) -> None:
    """Raises ApiError 409 if the job was rolled back, or is being rolled back, already."""
    try:
        await start_rollback(temporal, RollbackInput(job=reference(job)), summary(job))
    except WorkflowAlreadyStartedError as error:
        raise ApiError(409, "invalid_state", "the job is being rolled back already") from error


async def start_accepted(temporal: Client, request: RequestRef, events: list[Event]) -> None:
    """Start what was accepted. If that fails, a worker starts it from the outbox instead."""
    stated = (stated_severity(event.event_type, event.metadata) for event in events)
    rank = min((severity or Severity.INFO).rank for severity in stated)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await start_notification(temporal, request, len(events), rank)
    except (RPCError, TimeoutError) as error:
        _log.warning("%s is left to the outbox: %r", request.request_id, error)


async def wake_requests(temporal: Client, tenant_id: TenantId, requests: set[UUID]) -> None:
    """Have the requests' workflows look at their deliveries now, also those that have ended; many
    of them, or all if that fails, as soon as a worker looks into the outbox."""
    try:
        async with asyncio.timeout(_START_SECONDS):
            for request_id in sorted(requests)[:_AT_ONCE]:
                request = RequestRef(tenant_id=tenant_id, request_id=str(request_id))
                await wake_notification(temporal, request)
    except (RPCError, TimeoutError) as error:
        _log.warning("%d requests are left to the outbox: %r", len(requests), error)


async def ask(temporal: Client, job_id: UUID, update: Any, *args: Any) -> None:
    """Send an update and wait for its answer.

    Raises ApiError 409 if the job's state forbids it, 503 if no worker is there to take it.
    """
    handle = temporal.get_workflow_handle(migration_id(job_id))
    try:
        async with asyncio.timeout(_PATIENCE):
            taken = await handle.start_update(
                update, *args, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
        await taken.result()
    except TimeoutError as error:
        detail = "no worker has taken the request yet; it may still take effect"
        raise ApiError(503, "unavailable", detail) from error
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == "invalid_state":
            raise ApiError(409, "invalid_state", cause.message) from error
        raise
    except RPCError as error:
        # Temporal says NOT_FOUND of a workflow that has ended, too.
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ApiError(409, "invalid_state", "the job has ended") from error
        raise
