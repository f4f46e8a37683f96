"""Takes a completed migration back."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.migration import Phase, Status
    from workflows import messages as m
    from workflows import steps
    from workflows.migration import PHASE


@workflow.defn(name="Rollback")
class RollbackWorkflow:
    """Undo, then say so. Cancelling it in the middle is safe: started again, it goes on."""

    @workflow.run
    async def run(self, job: m.JobRef) -> m.TakenBack:
        workflow.upsert_search_attributes([PHASE.value_set(Phase.UNDOING)])
        taken = await steps.undo_import(job, "take back what was imported")
        await steps.close_job(m.CloseInput(job=job, status=Status.ROLLED_BACK, undone=taken.undone))
        workflow.upsert_search_attributes([PHASE.value_set(Phase.DONE)])
        done = taken.undone
        workflow.set_current_details(
            f"**rolled back** · {done.deleted:,} deleted, {done.restored:,} restored,"
            f" {done.kept:,} kept because they were edited since"
        )
        return taken
