"""Tests an integration: durable, so that a test is on record however it ends."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.integration.messages as m
    import workflows.integration.steps as steps


@workflow.defn(name="IntegrationTest")
class IntegrationTestWorkflow:
    @workflow.run
    async def run(self, input: m.IntegrationTestInput) -> m.IntegrationTested:
        tested = await steps.test_integration(input, "ask the vendor what works")
        verdict = "succeeded" if tested.success else f"failed: {tested.error}"
        workflow.set_current_details(f"**{verdict}**")
        return tested
