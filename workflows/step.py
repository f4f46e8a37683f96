"""A step: how workflows run one kind of activity, with its queue, timeouts, retries and result."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ApplicationError

from workflows.payload import Payload

# The task queues. `orchestrate`: jobs and short activities, so that a pause never waits behind a
# parse. `import`: long activities that need CPU and database connections. `deliver`: notification
# requests and their sends, many at once, most of which wait for a vendor's server.
ORCHESTRATE, IMPORT, DELIVER = "orchestrate", "import", "deliver"
UNREADABLE = "unreadable_result"  # the error type of a result that cannot be read

In = TypeVar("In", bound=Payload)
Out = TypeVar("Out", bound=Payload | None)

# Retries do not end, since outages do some day: activities/errors.py says which errors are final.
PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=0.5),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=15),
)
BRIEF = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_attempts=5
)


@dataclass(frozen=True)
class Step(Generic[In, Out]):
    """One kind of activity. Calling it from a workflow runs it and returns its result."""

    name: str
    input: type[In]
    result: type[Out]
    queue: str = ORCHESTRATE
    timeout: timedelta = timedelta(minutes=1)
    heartbeat: timedelta | None = None
    retry: RetryPolicy = field(default_factory=lambda: PATIENT)

    async def __call__(self, input: In, summary: str | None = None) -> Out:
        result = await workflow.execute_activity(
            self.name,
            input,
            result_type=RawValue,
            task_queue=self.queue,
            start_to_close_timeout=self.timeout,
            heartbeat_timeout=self.heartbeat,
            retry_policy=self.retry,
            summary=summary,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        # An activity that completes although it was cancelled would hide the cancellation.
        caller = asyncio.current_task()
        if caller is not None and caller.cancelling():
            raise asyncio.CancelledError
        return self._read(result)

    def _read(self, result: RawValue | None) -> Out:
        """The activity's result. Raises ApplicationError for one that cannot be read, as when an
        operator completed the activity by hand: the SDK would repeat the workflow's task for ever.
        """
        try:
            assert result is not None
            read: Out = workflow.payload_converter().from_payload(result.payload, self.result)
        except Exception as error:
            detail = f"the result of {self.name} cannot be read; was it completed by hand?"
            raise ApplicationError(detail, type=UNREADABLE) from error
        return read


# A worker that is silent for so long counts as dead; a false alarm is harmless.
BEAT = timedelta(seconds=5)
