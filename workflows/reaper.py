"""The sweep that mends what crashes and terminated workflows leave; runs on a schedule."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.details as details
    import workflows.messages as m
    import workflows.steps as steps


@workflow.defn(name="Reaper")
class ReaperWorkflow:
    """One sweep."""

    @workflow.run
    async def run(self, input: m.ReapInput) -> m.Reaped:
        reaped = await steps.reap(input, "start, close and delete what was left behind")
        workflow.set_current_details(details.sweep(reaped))
        return reaped
