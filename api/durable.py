"""The API's hand on a job's workflow: start it, ask it something; say plainly what it answers."""

from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.errors import ApiError
from api.job import workflow_id
from storage.migration import Job
from workflows.messages import JobRef
from workflows.migration import (
    JOB_KIND,
    PHASE,
    TENANT_ID,
    MigrationInput,
    MigrationWorkflow,
)
from workflows.rollback import RollbackWorkflow
from workflows.steps import ORCHESTRATE


async def start_migration(temporal: Client, job: Job, revision: int, ttl_seconds: int) -> None:
    """Start the job's workflow; starting it again is fine."""
    ref = JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))
    await temporal.start_workflow(
        MigrationWorkflow.run,
        MigrationInput(job=ref, ttl_seconds=ttl_seconds, revision=revision, dry_run=job["dry_run"]),
        id=workflow_id(ref.job_id),
        task_queue=ORCHESTRATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(ref, "migration"),
        static_summary=f"{job['source_system']} {job['entity_type']} · {job['format'].upper()}",
    )


async def start_rollback(temporal: Client, job: Job) -> None:
    """Start taking a finished job back. Raises ApiError 409 if that was done or is under way."""
    ref = JobRef(tenant_id=job["tenant_id"], job_id=str(job["id"]))
    try:
        await temporal.start_workflow(
            RollbackWorkflow.run,
            ref,
            id=f"rollback/{ref.job_id}",
            task_queue=ORCHESTRATE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            search_attributes=_attributes(ref, "rollback"),
            static_summary=f"{job['source_system']} {job['entity_type']}",
        )
    except WorkflowAlreadyStartedError as error:
        raise _conflict("the job is being rolled back already") from error


def _attributes(ref: JobRef, kind: str) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(TENANT_ID, ref.tenant_id),
            SearchAttributePair(JOB_KIND, kind),
            SearchAttributePair(PHASE, "starting"),
        ]
    )


async def ask(temporal: Client, job_id: UUID, update: Any, *args: Any) -> None:
    """Send an update and wait for its answer. Raises ApiError 409 if the job's state forbids it."""
    handle = temporal.get_workflow_handle(workflow_id(job_id))
    try:
        await handle.execute_update(update, *args)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == "invalid_state":
            raise _conflict(cause.message) from error
        raise
    except RPCError as error:
        # Temporal says NOT_FOUND of a workflow that has ended, too.
        if error.status is RPCStatusCode.NOT_FOUND:
            raise _conflict("the job has ended") from error
        raise


def _conflict(detail: str) -> ApiError:
    return ApiError(409, "invalid_state", detail)
