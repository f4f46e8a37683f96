"""Starts and wakes the workflow of a notification request: its id, attributes and summary."""

from contextlib import suppress
from typing import Any

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from workflows.attributes import search_attributes
from workflows.notification.messages import NotificationInput, RequestRef
from workflows.notification.workflow import NotificationWorkflow
from workflows.step import DELIVER


def notification_id(request_id: object) -> str:
    return f"notification/{request_id}"


async def start_notification(client: Client, request: RequestRef, count: int, rank: int) -> None:
    """Start a request's workflow; one that runs is left as it is.

    A workflow that ended without having routed its request, as when an operator completed its
    activity by hand, leaves the request's row in the outbox, and so is started again.

    The request has `count` notifications, the most urgent of severity `rank` (1–4). Workflows of
    lower ranks go first.
    """
    with suppress(WorkflowAlreadyStartedError):
        await _work_on(client, request, f"{count:,} notification{'s' if count > 1 else ''}", rank)


async def restart_notification(client: Client, request: RequestRef) -> None:
    """Start a request's workflow again, unless it runs: somebody may have terminated it."""
    await _work_on(client, request, "restarted")


async def wake_notification(client: Client, request: RequestRef) -> None:
    """Have a request's workflow look at its deliveries now; it is started again if it has ended."""
    await _work_on(client, request, "woken", start_signal="wake")


async def _work_on(
    client: Client, request: RequestRef, summary: str, rank: int | None = None, **how: Any
) -> None:
    """Start a request's workflow, or use the one that runs. Tenants take turns; without a `rank`,
    the workflow has Temporal's default priority."""
    await client.start_workflow(
        NotificationWorkflow.run,
        NotificationInput(request=request),
        id=notification_id(request.request_id),
        task_queue=DELIVER,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=Priority(priority_key=rank, fairness_key=request.tenant_id),
        search_attributes=search_attributes(request.tenant_id, "notification", "delivering"),
        static_summary=summary,
        **how,
    )
