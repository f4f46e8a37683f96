"""Records the histories: `python -m tests.replay.record [NAME …]`. Ids and texts are invented."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities.errors import non_retryable
from domain.failures import Problem
from domain.migration.job import Options, Phase, Status
from embedded.binaries import program_path
from tests.operating.operator import Operator
from tests.replay.notifying import NOTIFYING, Handle, play, play_test
from tests.workflows.migration.fake_job import SEGMENT, SUMMARY, FakeJob, working
from tests.workflows.migration.steering import Steering
from workflows.attributes import JOB_KIND, PHASE, TENANT_ID
from workflows.migration.rollback import RollbackInput, RollbackWorkflow
from workflows.migration.start import start_rollback
from workflows.reaper import ReaperWorkflow
from workflows.step import ORCHESTRATE
from workflows.sweep import ReapInput

HISTORIES = Path(__file__).parent / "histories"
ROOT = Path(__file__).parents[2]
_EARLY = "limit.historyCount.suggestContinueAsNew=120"  # events; makes continued_as_new short

SUPERSEDED = non_retryable(Problem(code="superseded", detail="the job is elsewhere"))

Scenario = Callable[[Steering], Awaitable[None]]


async def completed(steer: Steering) -> None:
    await steer.previewed()
    await steer.preview(2)
    await steer.job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
    await steer.execute()


async def cancelled_while_importing(steer: Steering) -> None:
    await steer.previewed()
    gate = steer.job.hold("import_segment")
    await steer.execute()
    await gate.reached()
    await steer.cancel()


async def cancelled_from_outside(steer: Steering) -> None:
    await steer.previewed()
    await steer.handle.cancel()


async def failed_while_parsing(steer: Steering) -> None:
    problem = Problem(code="csv_unclosed_quote", detail="a quote is not closed", line=7)
    steer.job.failures["parse_upload"] = non_retryable(problem)
    await steer.start()


async def validated_twice(steer: Steering) -> None:
    steer.job.accepted = False
    await steer.previewed()
    await steer.execute()
    await steer.job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)
    steer.job.accepted = True
    await steer.execute(continue_on_error=True)


async def paused_and_resumed(steer: Steering) -> None:
    await steer.previewed()
    gate = steer.job.hold("import_segment")
    await steer.execute()
    await gate.reached()
    await steer.pause()
    gate.opened.set()
    await steer.resume()


async def expired(steer: Steering) -> None:
    await steer.previewed(ttl_seconds=1)


async def continued_as_new(steer: Steering) -> None:
    steer.job.batches = 15 * SEGMENT + 5
    await steer.previewed()
    await steer.execute()


async def recalled(steer: Steering) -> None:
    """The job's row refuses the run during its import; the run continues the recorded import."""
    await steer.previewed()
    steer.job.begun = Options(batch_size=100)
    steer.job.failures["import_segment"] = SUPERSEDED
    await steer.execute()


async def reset_while_waiting(steer: Steering) -> None:
    await steer.previewed()
    operator = Operator(steer.client, steer.handle.id)
    await operator.waits()
    await operator.reset((await operator.reset_points())[-1])
    await steer.job.called("recall_job")
    await operator.waits()
    await steer.execute()


SCENARIOS: tuple[Scenario, ...] = (
    completed,
    cancelled_while_importing,
    cancelled_from_outside,
    failed_while_parsing,
    validated_twice,
    paused_and_resumed,
    expired,
    continued_as_new,
    recalled,
    reset_while_waiting,
)


async def played(client: Client) -> AsyncIterator[tuple[str, Handle]]:
    """Play every scenario; its name and its workflow."""
    for number, scenario in enumerate(SCENARIOS, 1):
        steer = Steering(client, FakeJob(job_id=_id(number)))
        async with working(client, steer.job, identity="recorder"):
            await scenario(steer)
            yield scenario.__name__, steer.handle
    job = FakeJob(job_id=_id(99), imported=2)
    async with working(client, job, identity="recorder"):
        await start_rollback(client, RollbackInput(job=job.ref), SUMMARY)
        handle = client.get_workflow_handle_for(RollbackWorkflow.run, f"rollback/{job.job_id}")
        yield "rolled_back", handle
        sweep = await client.start_workflow(
            ReaperWorkflow.run,
            ReapInput(grace_seconds=120),
            id="reaper",
            task_queue=ORCHESTRATE,
        )
        yield "swept", sweep
    for number, notifying in enumerate(NOTIFYING, 201):
        yield notifying.__name__, await play(client, notifying, _id(number))
    yield "connection_tested", await play_test(client)


def _id(number: int) -> str:
    return str(UUID(int=number, version=4))


async def _keep(handle: Handle, name: str) -> None:
    history = await handle.fetch_history()
    _write(name, history)
    started = history.events[0].workflow_execution_started_event_attributes
    if started.continued_execution_run_id:
        earlier = handle._client.get_workflow_handle(
            handle.id, run_id=started.continued_execution_run_id
        )
        _write(f"{name}_before", await earlier.fetch_history())


def _write(name: str, history: WorkflowHistory) -> None:
    """Write one event per line; paths of this machine are removed from stack traces."""
    events = [json.dumps(event) for event in history.to_json_dict()["events"]]
    text = '{"events": [\n' + ",\n".join(events) + "\n]}\n"
    (HISTORIES / f"{name}.json").write_text(text.replace(f"{ROOT}/", ""))


async def main(wanted: set[str]) -> None:
    """Record the scenarios of these names, or all of them."""
    HISTORIES.mkdir(exist_ok=True)
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=program_path("temporal"),
        dev_server_extra_args=["--dynamic-config-value", _EARLY],
        search_attributes=[TENANT_ID, JOB_KIND, PHASE],
        data_converter=pydantic_data_converter,
        identity="recorder",
    ) as environment:
        async for name, handle in played(environment.client):
            with suppress(WorkflowFailureError):  # or the next scenario's worker takes it up
                await handle.result()
            if name in wanted or not wanted:
                await _keep(handle, name)
    print(*sorted(path.name for path in HISTORIES.glob("*.json")), sep="\n")


if __name__ == "__main__":
    asyncio.run(main(set(sys.argv[1:])))
