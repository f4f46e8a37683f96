"""The workflow of a migration job, as the API reaches it: start its rollback, send it updates, and
say plainly what it answers."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.errors import ApiError
from storage.migration.jobs import Job, summary
from workflows.execution import PAUSED, status_of
from workflows.migration.messages import JobRef
from workflows.migration.rollback import RollbackInput
from workflows.migration.start import migration_id, start_rollback

_UNANSWERED = "AcceptedUpdateCompletedWorkflow"  # the server's word for it
_NOT_ASKED = "ask again once it is unpaused there"
_ASKED = "what was asked for is done once it is unpaused there"
_ENDED = (
    "the job has ended; if its status says otherwise, its workflow was ended in Temporal: within"
    " three minutes it is taken back, or started anew if it had not begun"
)
_PATIENCE = 30  # seconds for a worker to take an update; the work it asks for may take longer


def reference(job: Job) -> JobRef:
    return JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))


async def roll_back(temporal: Client, job: Job) -> None:
    """Raises ApiError 409 if the job was rolled back, or is being rolled back, already."""
    try:
        await start_rollback(temporal, RollbackInput(job=reference(job)), summary(job))
    except WorkflowAlreadyStartedError as error:
        raise ApiError("invalid_state", "the job is being rolled back already") from error


async def send_update(temporal: Client, job_id: UUID, update: Any, *args: Any) -> None:
    """Send an update and wait for its answer.

    Raises ApiError 409 if the job's state forbids it, or an operator has paused its workflow; 503
    if no worker is there to take it.
    """
    handle = temporal.get_workflow_handle(migration_id(job_id))
    try:
        async with asyncio.timeout(_PATIENCE):
            taken = await handle.start_update(
                update, *args, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
        await _answer(temporal, taken)
    except TimeoutError as error:
        detail = "no worker has taken the request yet; it may still take effect"
        raise ApiError("unavailable", detail) from error
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from error
    except RPCError as error:
        # Temporal says NOT_FOUND of a workflow that has ended, too.
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ApiError("invalid_state", _ENDED) from error
        if await _is_paused(temporal, handle.id):
            raise _paused(_NOT_ASKED) from error
        raise


async def _answer(temporal: Client, taken: WorkflowUpdateHandle[Any]) -> None:
    """What was asked for may take long: look now and then whether it goes on at all."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await taken.result()
                return
        if await _is_paused(temporal, taken.workflow_id):
            raise _paused(_ASKED)


async def _is_paused(temporal: Client, workflow_id: str) -> bool:
    with suppress(RPCError):
        return await status_of(temporal, workflow_id) == PAUSED
    return False


def _paused(then: str) -> ApiError:
    return ApiError("workflow_paused", f"an operator has paused the job in Temporal; {then}")


def _refusal(error: WorkflowUpdateFailedError) -> Exception:
    """What the workflow refused, in its own words; or it ended before it could answer."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.type == "invalid_state":
            return ApiError("invalid_state", cause.message)
        if cause.type == _UNANSWERED:
            return ApiError("invalid_state", "the job ended before it could do that")
    return error
