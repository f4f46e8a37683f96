"""Whether a workflow is alive, by the status number that Temporal's server gives it.

The SDK turns these numbers into an enumeration, and raises ValueError for one that it does not
know. temporalio 1.35 does not know 8, by which the server marks a paused workflow (from 1.30 on, if
it allows `temporal workflow pause`). One such workflow makes a whole page of a list fail.
"""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

PAUSED = 8  # WORKFLOW_EXECUTION_STATUS_PAUSED of the server's API
_CLOSED = frozenset(
    {
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
    }
)


async def status_of(client: Client, workflow_id: str) -> int | None:
    """The status of the newest run; None if the server knows no workflow of this id."""
    wanted = WorkflowExecution(workflow_id=workflow_id)
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=wanted)
    try:
        found = await client.workflow_service.describe_workflow_execution(request, retry=True)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return int(found.workflow_execution_info.status)


def is_alive(status: int | None) -> bool:
    """Every status that is not known as closed counts as alive, even one that is new to us."""
    return status is not None and status not in _CLOSED
