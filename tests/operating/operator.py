"""An operator's acts on a workflow in the Temporal UI or CLI, as gRPC calls."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType, ResetReapplyType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice import v1
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

ALL, NONE = ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE, "nothing"
_EVERYTHING = [
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
]


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody with the Temporal UI, before one workflow."""

    client: Client
    workflow_id: str

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(self.workflow_id)

    @property
    def _execution(self) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=self.workflow_id)

    async def events(self, run_id: str = "") -> list[Any]:
        """The events of the newest run, or of an older one."""
        run = self.client.get_workflow_handle(self.workflow_id, run_id=run_id or None)
        return list((await run.fetch_history()).events)

    async def reset_points(self, run_id: str = "") -> list[int]:
        """Where the server lets a run be reset to: the ends of its workflow tasks."""
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return [each.event_id for each in await self.events(run_id) if each.event_type == done]

    async def runs(self) -> tuple[str, str]:
        """The ids of the first run and of the newest one; a run that was reset, or that continues
        another, has the same first one."""
        found = (await self._described()).workflow_execution_info
        return found.first_run_id, found.execution.run_id

    async def waits(self) -> None:
        """Wait until the run waits, with a timer."""
        started = EventType.EVENT_TYPE_TIMER_STARTED
        async with asyncio.timeout(30):
            while (await self.events())[-1].event_type != started:
                await asyncio.sleep(0.02)

    async def reset(self, event_id: int, *, reapply: bool = True, run_id: str = "") -> None:
        """Reset the newest run (or an older one) to an event, with or without what it was told
        after it."""
        execution = WorkflowExecution(workflow_id=self.workflow_id, run_id=run_id)
        await self.client.workflow_service.reset_workflow_execution(
            v1.ResetWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_execution=execution,
                reason="an operator's wish",
                workflow_task_finish_event_id=event_id,
                request_id=str(uuid4()),
                reset_reapply_type=ALL,
                reset_reapply_exclude_types=[] if reapply else _EVERYTHING,
            )
        )

    async def terminate(self) -> None:
        await self.handle.terminate("an operator's wish")

    async def cancel(self) -> None:
        await self.handle.cancel()

    async def delete(self) -> None:
        await self.client.workflow_service.delete_workflow_execution(
            v1.DeleteWorkflowExecutionRequest(
                namespace=self.client.namespace, workflow_execution=self._execution
            )
        )

    async def pause(self) -> None:
        await self.client.workflow_service.pause_workflow_execution(
            v1.PauseWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_id=self.workflow_id,
                request_id=str(uuid4()),
            )
        )

    async def unpause(self) -> None:
        await self.client.workflow_service.unpause_workflow_execution(
            v1.UnpauseWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_id=self.workflow_id,
                request_id=str(uuid4()),
            )
        )

    async def pending(self) -> list[Any]:
        """The newest run's pending activities."""
        return list((await self._described()).pending_activities)

    async def status(self) -> int:
        return int((await self._described()).workflow_execution_info.status)

    async def _described(self) -> v1.DescribeWorkflowExecutionResponse:
        """Read without the SDK, which knows no pause."""
        return await self.client.workflow_service.describe_workflow_execution(
            v1.DescribeWorkflowExecutionRequest(
                namespace=self.client.namespace, execution=self._execution
            )
        )

    async def each_pending(self, act: str, result: Any = None) -> int:
        """Do the act to every pending activity; returns their number."""
        pending = await self.pending()
        for each in pending:
            with suppress(RPCError):  # it ended meanwhile
                await self._do(act, each.activity_id, result)
        return len(pending)

    async def _do(self, act: str, id: str, result: Any) -> None:
        service, whose = self.client.workflow_service, {"namespace": self.client.namespace}
        of: dict[str, Any] = {**whose, "execution": self._execution, "id": id}
        by_id: dict[str, Any] = {**whose, "workflow_id": self.workflow_id, "activity_id": id}
        match act:
            case "pause":
                await service.pause_activity(v1.PauseActivityRequest(**of))
            case "unpause":
                await service.unpause_activity(v1.UnpauseActivityRequest(**of))
            case "reset":
                await service.reset_activity(v1.ResetActivityRequest(**of))
            case "update-options":
                options = ActivityOptions(start_to_close_timeout=Duration(seconds=300))
                mask = FieldMask(paths=["start_to_close_timeout"])
                await service.update_activity_options(
                    v1.UpdateActivityOptionsRequest(
                        **of, activity_options=options, update_mask=mask
                    )
                )
            case "complete":
                await service.respond_activity_task_completed_by_id(
                    v1.RespondActivityTaskCompletedByIdRequest(**by_id, result=payloads([result]))
                )
            case "fail":
                info = ApplicationFailureInfo(
                    type="by hand", non_retryable=True, details=payloads([result])
                )
                failure = Failure(message="an operator's wish", application_failure_info=info)
                await service.respond_activity_task_failed_by_id(
                    v1.RespondActivityTaskFailedByIdRequest(**by_id, failure=failure)
                )

    async def tell(self, kind: str, name: str, arguments: Sequence[Any] = ()) -> None:
        """Send a signal or an update, which may be refused."""
        with suppress(Exception):
            if kind == "signal":
                await self.handle.signal(name, args=arguments)
            else:
                await self.handle.execute_update(name, args=arguments)


def payloads(values: Sequence[Any]) -> Payloads:
    json_plain = {"encoding": b"json/plain"}
    return Payloads(
        payloads=[Payload(metadata=json_plain, data=json.dumps(each).encode()) for each in values]
    )
