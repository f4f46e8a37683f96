"""Takes back a job whose own workflow has ended: a user asked for it, or it was terminated."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.migration.details as details
    import workflows.migration.messages as m
    from domain.failures import Problem
    from domain.migration.job import Phase, Status
    from workflows.attributes import PHASE
    from workflows.migration.ending import Ended, end_job, uninterrupted
    from workflows.payload import Payload


class RollbackInput(Payload):
    """The status the job ends in, and why if that is a failure."""

    job: m.JobRef
    status: Status = Status.ROLLED_BACK
    problem: Problem | None = None


@workflow.defn(name="Rollback")
class RollbackWorkflow:
    """Undo, clean up, close. Every step can be repeated, so starting it again is safe; cancelling
    it does nothing, as half a rollback helps nobody."""

    @workflow.run
    async def run(self, input: RollbackInput) -> Ended:
        ended = await uninterrupted(end_job(input.job, input.status, input.problem, _enter))
        if ended.undone is not None:
            workflow.set_current_details(details.taken_back(ended.status, ended.undone))
        return ended


def _enter(phase: Phase) -> None:
    workflow.upsert_search_attributes([PHASE.value_set(phase)])
    workflow.set_current_details(f"**{details.words(phase)}**")
