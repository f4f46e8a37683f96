"""The workflow of a scheduled sweep, which mends what crashes and terminated workflows leave."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.sweep as sweep


@workflow.defn(name="Reaper")
class ReaperWorkflow:
    """One sweep."""

    @workflow.run
    async def run(self, input: sweep.ReapInput) -> sweep.Reaped:
        reaped = await sweep.reap(input, "start, close and delete what was left behind")
        workflow.set_current_details(sweep.shown(reaped))
        return reaped
