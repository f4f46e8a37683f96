"""How workflows are started, by API, reaper and workers alike: ids, attributes, summaries."""

import dataclasses
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowHandle,
)
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows.attributes import JOB_KIND, PHASE, TENANT_ID
from workflows.integration.connection_check import IntegrationTestWorkflow
from workflows.messages import (
    IntegrationTested,
    IntegrationTestInput,
    NotificationInput,
    ReapInput,
    RequestRef,
)
from workflows.migration.rollback import RollbackInput, RollbackWorkflow
from workflows.migration.workflow import MigrationInput, MigrationWorkflow
from workflows.notification.workflow import NotificationWorkflow
from workflows.reaper import ReaperWorkflow
from workflows.steps import DELIVER, ORCHESTRATE

REAPER = "reaper"
_EVERY = timedelta(minutes=1)
_GRACE = timedelta(minutes=2)
_TEST_PATIENCE = timedelta(minutes=1)  # nobody waits for it longer, and some tests can be seen


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
        search_attributes=_attributes(input.job.tenant_id, "migration"),
        static_summary=summary,
    )


def rollback_id(job_id: object) -> str:
    return f"rollback/{job_id}"


def notification_id(request_id: object) -> str:
    return f"notification/{request_id}"


async def start_notification(client: Client, request: RequestRef, count: int, rank: int) -> None:
    """Start a request's workflow; one that runs is left as it is.

    One that ran to its end without having routed, as where an operator completed its activity by
    hand, leaves its row in the outbox, and is started again for it.

    `count` notifications, the most urgent of severity `rank` (1–4): its work goes first.
    """
    with suppress(WorkflowAlreadyStartedError):
        await _work_on(
            client,
            request,
            f"{count:,} notification{'s' if count > 1 else ''}",
            priority=Priority(priority_key=rank, fairness_key=request.tenant_id),
        )


async def restart_notification(client: Client, request: RequestRef) -> None:
    """Start a request's workflow again, unless it runs: it may have been terminated."""
    await _work_on(client, request, "restarted")


async def wake_notification(client: Client, request: RequestRef) -> None:
    """Have a request's workflow look at its deliveries now; it is started again if it has ended."""
    await _work_on(client, request, "woken", start_signal="wake")


async def _work_on(client: Client, request: RequestRef, summary: str, **how: Any) -> None:
    """See to it that a request's workflow runs."""
    await client.start_workflow(
        NotificationWorkflow.run,
        NotificationInput(request=request),
        id=notification_id(request.request_id),
        task_queue=DELIVER,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=_attributes(request.tenant_id, "notification", "delivering"),
        static_summary=summary,
        **how,
    )


async def start_rollback(client: Client, input: RollbackInput, summary: str) -> None:
    """Start taking a job back. Raises WorkflowAlreadyStartedError if that runs.

    Whether there is something left to take back is for the job's row to say, not for Temporal: a
    workflow whose activities an operator completed by hand has ended without having done it.
    """
    await client.start_workflow(
        RollbackWorkflow.run,
        input,
        id=rollback_id(input.job.job_id),
        task_queue=ORCHESTRATE,
        search_attributes=_attributes(input.job.tenant_id, "rollback"),
        static_summary=summary,
    )


async def start_integration_test(
    client: Client, input: IntegrationTestInput, run: str
) -> WorkflowHandle[IntegrationTestWorkflow, IntegrationTested]:
    """Start a test; `run` tells it from other tests of the same integration."""
    return await client.start_workflow(
        IntegrationTestWorkflow.run,
        input,
        id=f"integration-test/{input.subject}/{run}",
        task_queue=DELIVER,
        execution_timeout=_TEST_PATIENCE,
        search_attributes=_attributes(input.tenant_id, "integration-test", "testing"),
        static_summary="test a saved integration" if input.saved else "test a draft",
    )


async def ensure_schedule(client: Client) -> None:
    """Have the reaper run every minute, one at a time. A schedule that exists is brought up to
    date; whether an operator paused it stays as it is."""
    wanted = _schedule()
    try:
        await client.create_schedule(REAPER, wanted)
    except ScheduleAlreadyRunningError:

        def renewed(known: ScheduleUpdateInput) -> ScheduleUpdate:
            state = known.description.schedule.state
            return ScheduleUpdate(dataclasses.replace(wanted, state=state))

        await client.get_schedule_handle(REAPER).update(renewed)


def _schedule() -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ReaperWorkflow.run,
            ReapInput(grace_seconds=int(_GRACE.total_seconds())),
            id=REAPER,
            task_queue=ORCHESTRATE,
            static_summary="start, close and delete what was left behind",
            typed_search_attributes=TypedSearchAttributes([SearchAttributePair(JOB_KIND, REAPER)]),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=_EVERY)]),
        # The default catches up on a whole year of missed sweeps.
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)
        ),
    )


def _attributes(tenant_id: str, kind: str, phase: str = "starting") -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(TENANT_ID, tenant_id),
            SearchAttributePair(JOB_KIND, kind),
            SearchAttributePair(PHASE, phase),
        ]
    )
