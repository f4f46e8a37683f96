"""The workflow of a migration job, for the API: start its rollback, send it updates, and turn its
refusals into problems."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
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

T = TypeVar("T")

# The error type of Temporal's server for an update whose workflow ended before it answered.
_UNANSWERED = "AcceptedUpdateCompletedWorkflow"
_NOT_ASKED = "repeat the request once it is unpaused there"
_ASKED = "your request was accepted and takes effect once it is unpaused there"
_ENDED = (
    "the job has ended or is being rolled back; if its status says otherwise, an operator ended its"
    " workflow in Temporal: within three minutes the job is taken back, or starts anew if it had"
    " not begun"
)
_PATIENCE = 30.0  # seconds for a worker to accept an update; the work itself may take longer


def reference(job: Job) -> JobRef:
    """The reference by which workflows and activities know the job."""
    return JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))


async def roll_back(temporal: Client, job: Job) -> None:
    """Start the job's rollback. Raises ApiError 409 if a rollback of the job is running."""
    try:
        await start_rollback(temporal, RollbackInput(job=reference(job)), summary(job))
    except WorkflowAlreadyStartedError as error:
        raise ApiError("invalid_state", "the job is being rolled back already") from error


async def send_update(temporal: Client, job_id: UUID, update: Any, *args: Any) -> None:
    """Send an update to the job's workflow and wait for its answer.

    Raises ApiError 409 if the job's state forbids the update or an operator has paused the
    workflow, 503 if no worker accepts it within 30 seconds.
    """
    handle = temporal.get_workflow_handle(migration_id(job_id))
    try:
        taken = await _in_time(
            handle.start_update(update, *args, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        )
        await _answer(temporal, taken)
    except (TimeoutError, RPCTimeoutOrCancelledError) as error:
        detail = "no worker has accepted the request yet; it may still take effect later"
        raise ApiError("unavailable", detail) from error
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from error
    except RPCError as error:
        # Temporal answers NOT_FOUND for a workflow that has ended, too.
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ApiError("invalid_state", _ENDED) from error
        if await _is_paused(temporal, handle.id):
            raise _paused(_NOT_ASKED) from error
        raise


async def _answer(temporal: Client, taken: WorkflowUpdateHandle[Any]) -> None:
    """Wait for the answer, however long the work takes; every 30 seconds, raise ApiError 409 if an
    operator has paused the workflow, as the answer would never come."""
    while True:
        with suppress(TimeoutError):
            await _in_time(taken.result())
            return
        if await _is_paused(temporal, taken.workflow_id):
            raise _paused(_ASKED)


async def _in_time(asking: Coroutine[Any, Any, T]) -> T:
    """The result of a call about an update. Raises TimeoutError if it takes longer than _PATIENCE.

    asyncio.timeout does not do here: temporalio turns its cancellation into an error of its own
    (WorkflowUpdateRPCTimeoutOrCancelledError), which asyncio.timeout lets pass.
    """
    task = asyncio.create_task(asking)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # so none is logged
    try:
        await asyncio.wait({task}, timeout=_PATIENCE)
    finally:
        task.cancel()  # without effect on one that is done
    if not task.done():
        raise TimeoutError
    return task.result()


async def _is_paused(temporal: Client, workflow_id: str) -> bool:
    with suppress(RPCError):
        return await status_of(temporal, workflow_id) == PAUSED
    return False


def _paused(then: str) -> ApiError:
    return ApiError("workflow_paused", f"an operator has paused the job in Temporal; {then}")


def _refusal(error: WorkflowUpdateFailedError) -> Exception:
    """ApiError 409 with the workflow's own sentence if the job's state forbids the update or the
    workflow ended before it answered; any other failure unchanged."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.type == "invalid_state":
            return ApiError("invalid_state", cause.message)
        if cause.type == _UNANSWERED:
            return ApiError("invalid_state", "the job ended before it could act on the request")
    return error
