"""Whether a workflow lives, as its server says it in numbers.

The SDK turns the numbers into an enumeration, and raises ValueError of one that it does not know:
temporalio 1.35 of 8, with which the server (1.30 on, where it allows `temporal workflow pause`)
marks a paused workflow. One such workflow spoils a whole page of a list.
"""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

PAUSED = 8  # WORKFLOW_EXECUTION_STATUS_PAUSED; temporalio 1.35 knows the server's answer only
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
    """Whatever is not closed is alive, also in a state that nobody has heard of yet."""
    return status is not None and status not in _CLOSED
