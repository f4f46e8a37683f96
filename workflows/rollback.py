"""Takes a job back whose own workflow has ended: because a user asks, or because it was killed."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.failures import Problem
    from domain.migration import Phase, Status
    from workflows import messages as m
    from workflows import steps
    from workflows.migration import PHASE


class RollbackInput(m.Message):
    """The status the job ends in, and why if that is a failure."""

    job: m.JobRef
    status: Status = Status.ROLLED_BACK
    problem: Problem | None = None


@workflow.defn(name="Rollback")
class RollbackWorkflow:
    """Undo, clean up, say so. Every step can be repeated, so starting it again is safe."""

    @workflow.run
    async def run(self, input: RollbackInput) -> m.TakenBack:
        workflow.upsert_search_attributes([PHASE.value_set(Phase.UNDOING)])
        taken = await steps.undo_import(input.job, "take back what was imported")
        await steps.clean_up(input.job, "delete the upload and its chunks")
        await steps.close_job(
            m.CloseInput(
                job=input.job, status=input.status, problem=input.problem, undone=taken.undone
            )
        )
        workflow.upsert_search_attributes([PHASE.value_set(Phase.DONE)])
        done = taken.undone
        workflow.set_current_details(
            f"**{input.status.replace('_', ' ')}** · {done.deleted:,} deleted,"
            f" {done.restored:,} restored, {done.kept:,} kept because they were edited since"
        )
        return taken
