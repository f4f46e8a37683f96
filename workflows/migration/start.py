"""Starts the workflows of a migration job: their ids, attributes and summaries."""

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from workflows.attributes import search_attributes
from workflows.migration.rollback import RollbackInput, RollbackWorkflow
from workflows.migration.workflow import MigrationInput, MigrationWorkflow
from workflows.step import ORCHESTRATE


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
        search_attributes=search_attributes(input.job.tenant_id, "migration"),
        static_summary=summary,
    )


def rollback_id(job_id: object) -> str:
    return f"rollback/{job_id}"


async def start_rollback(client: Client, input: RollbackInput, summary: str) -> None:
    """Start taking a job back. Raises WorkflowAlreadyStartedError if that runs.

    The job's row says whether something is left to take back, not Temporal: a rollback whose
    activities an operator completed by hand has ended without taking anything back.
    """
    await client.start_workflow(
        RollbackWorkflow.run,
        input,
        id=rollback_id(input.job.job_id),
        task_queue=ORCHESTRATE,
        search_attributes=search_attributes(input.job.tenant_id, "rollback"),
        static_summary=summary,
    )
