"""The sweep that mends what crashes and terminated workflows leave; runs on a schedule."""

from datetime import timedelta

from temporalio import workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

with workflow.unsafe.imports_passed_through():
    from workflows import messages as m
    from workflows import steps

SCHEDULE = "reaper"
EVERY = timedelta(minutes=1)
GRACE = timedelta(minutes=2)


@workflow.defn(name="Reaper")
class ReaperWorkflow:
    """One sweep."""

    @workflow.run
    async def run(self, input: m.ReapInput) -> m.Reaped:
        reaped = await steps.reap(input, "start, close and delete what was left behind")
        workflow.set_current_details(
            f"{reaped.started} jobs started, {reaped.closed} closed,"
            f" {reaped.objects} objects and {reaped.uploads} broken uploads removed"
        )
        return reaped


async def ensure_schedule(client: Client) -> None:
    """Have the reaper run every minute, one at a time; a schedule that exists is left alone."""
    action = ScheduleActionStartWorkflow(
        ReaperWorkflow.run,
        m.ReapInput(grace_seconds=int(GRACE.total_seconds())),
        id="reaper",
        task_queue=steps.ORCHESTRATE,
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)])
    # The default catches up on a whole year of missed sweeps.
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1))
    try:
        await client.create_schedule(SCHEDULE, Schedule(action=action, spec=spec, policy=policy))
    except ScheduleAlreadyRunningError:
        return
