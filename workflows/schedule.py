"""The reaper's Temporal schedule, which every worker creates or updates at its start."""

import dataclasses
from datetime import timedelta

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
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from workflows.attributes import JOB_KIND
from workflows.reaper import ReaperWorkflow
from workflows.step import ORCHESTRATE
from workflows.sweep import ReapInput

REAPER = "reaper"
_EVERY = timedelta(minutes=1)
_GRACE = timedelta(minutes=2)


async def ensure_schedule(client: Client) -> None:
    """Have one sweep run every minute, never two at a time. An existing schedule is updated; if an
    operator has paused it, it stays paused."""
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
