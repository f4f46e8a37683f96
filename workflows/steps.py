"""Every activity as the workflows see it: name, input, result, queue and patience.

Workflows reach activities only through here, and activities implement what stands here (a test
compares both), so neither workflows nor the API ever load polars or a database driver.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ApplicationError

from workflows import messages as m

ORCHESTRATE = "orchestrate"  # workflows and short activities: a pause must not queue behind a parse
DELIVER = "deliver"  # sends: many at once, most of them waiting for somebody else's server
UNREADABLE = "unreadable_result"
IMPORT = "import"  # long activities that need CPU and database connections

In = TypeVar("In", bound=m.Message)
Out = TypeVar("Out", bound=m.Message | None)

# Outages of a database or a store end some day; only errors that say so are final (errors.py).
_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=0.5),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=15),
)
_BRIEF = RetryPolicy(
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
    retry: RetryPolicy = field(default_factory=lambda: _PATIENT)

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
        # An activity that completes although it was to be cancelled swallows the cancellation.
        caller = asyncio.current_task()
        if caller is not None and caller.cancelling():
            raise asyncio.CancelledError
        return self._read(result)

    def _read(self, result: RawValue | None) -> Out:
        """What came back; an operator can complete an activity by hand, with whatever he likes.

        Left to the SDK, a result that cannot be read fails the workflow's task, for ever.
        """
        try:
            assert result is not None
            read: Out = workflow.payload_converter().from_payload(result.payload, self.result)
        except Exception as error:
            detail = f"the result of {self.name} cannot be read; was it completed by hand?"
            raise ApplicationError(detail, type=UNREADABLE) from error
        return read


_BEAT = timedelta(seconds=5)  # a dead worker is missed after this; a false alarm is fenced off
_HOURS = timedelta(hours=6)

inspect_upload = Step("inspect_upload", m.JobRef, m.Upload)
parse_upload = Step("parse_upload", m.ParseInput, m.Parsed, IMPORT, _HOURS, _BEAT)
validate_records = Step("validate_records", m.ValidateInput, m.Validated, IMPORT, _HOURS, _BEAT)
begin_import = Step("begin_import", m.BeginInput, m.Begun)
import_segment = Step("import_segment", m.SegmentInput, m.Segment, IMPORT, _HOURS, _BEAT)
set_state = Step("set_state", m.StateInput, m.State)
recall_job = Step("recall_job", m.JobRef, m.Standing)
undo_import = Step("undo_import", m.UndoInput, m.TakenBack, IMPORT, _HOURS, _BEAT)
clean_up = Step("clean_up", m.JobRef, m.Cleaned, timeout=timedelta(minutes=5), retry=_BRIEF)
close_job = Step("close_job", m.CloseInput, m.Closed)
reap = Step("reap", m.ReapInput, m.Reaped, timeout=timedelta(minutes=30), heartbeat=_BEAT * 3)
# A round ends by itself after 20 s and what is in flight then: a mail server may take 5 minutes to
# greet and 10 to answer (RFC 5321 4.5.3.2). Whether its worker lives is the heartbeat's to say.
_SEND = timedelta(minutes=30)
open_request = Step("open_request", m.RequestRef, m.Opened, DELIVER, _SEND, _BEAT * 2)
deliver = Step("deliver", m.DeliverInput, m.Lane, DELIVER, _SEND, _BEAT * 2)
test_integration = Step(
    "test_integration", m.IntegrationTestInput, m.IntegrationTested, heartbeat=_BEAT, retry=_BRIEF
)

STEPS = tuple(each for each in tuple(globals().values()) if isinstance(each, Step))
