"""Takes a job back whose own workflow has ended: because a user asks, or because it was killed."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.messages as m
    from domain.failures import Problem
    from domain.migration import Phase, Status
    from workflows.attributes import PHASE
    from workflows.ending import Ended, end_job


class RollbackInput(m.Message):
    """The status the job ends in, and why if that is a failure."""

    job: m.JobRef
    status: Status = Status.ROLLED_BACK
    problem: Problem | None = None


@workflow.defn(name="Rollback")
class RollbackWorkflow:
    """Undo, clean up, close. Every step can be repeated, so starting it again is safe."""

    @workflow.run
    async def run(self, input: RollbackInput) -> Ended:
        ended = await end_job(input.job, input.status, input.problem, _enter)
        if ended.undone is not None:
            done = ended.undone
            workflow.set_current_details(
                f"**{ended.status.replace('_', ' ')}** · {done.deleted:,} records deleted,"
                f" {done.restored:,} restored, {done.kept:,} kept because they were edited since"
            )
        return ended


def _enter(phase: Phase) -> None:
    workflow.upsert_search_attributes([PHASE.value_set(phase)])
    workflow.set_current_details(f"**{phase.replace('_', ' ')}**")
