"""How workflows are started, by the API and by the reaper alike: ids, attributes, summaries."""

from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from workflows.messages import JobRef
from workflows.migration import JOB_KIND, PHASE, TENANT_ID, MigrationInput, MigrationWorkflow
from workflows.rollback import RollbackInput, RollbackWorkflow
from workflows.steps import ORCHESTRATE


def migration_id(job_id: object) -> str:
    return f"migration/{job_id}"


async def start_migration(client: Client, input: MigrationInput, summary: str) -> None:
    """Start a job's workflow. Starting one that runs is fine; one that ended raises
    WorkflowAlreadyStartedError."""
    await client.start_workflow(
        MigrationWorkflow.run,
        input,
        id=migration_id(input.job.job_id),
        task_queue=ORCHESTRATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=_attributes(input.job, "migration"),
        static_summary=summary,
    )


async def start_rollback(client: Client, input: RollbackInput, summary: str) -> None:
    """Start taking a job back. Raises WorkflowAlreadyStartedError if that runs, or was done."""
    await client.start_workflow(
        RollbackWorkflow.run,
        input,
        id=f"rollback/{input.job.job_id}",
        task_queue=ORCHESTRATE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        search_attributes=_attributes(input.job, "rollback"),
        static_summary=summary,
    )


def _attributes(ref: JobRef, kind: str) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(TENANT_ID, ref.tenant_id),
            SearchAttributePair(JOB_KIND, kind),
            SearchAttributePair(PHASE, "starting"),
        ]
    )
