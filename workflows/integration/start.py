"""Starts the test of an integration: its id, attributes and summary."""

from datetime import timedelta

from temporalio.client import Client, WorkflowHandle

from workflows.attributes import search_attributes
from workflows.integration.connection_check import IntegrationTestWorkflow
from workflows.integration.messages import IntegrationTested, IntegrationTestInput
from workflows.step import DELIVER

_TEST_PATIENCE = timedelta(minutes=1)  # nobody waits longer, and people may see a late test message


async def start_integration_test(
    client: Client, input: IntegrationTestInput, run: str
) -> WorkflowHandle[IntegrationTestWorkflow, IntegrationTested]:
    """Start a test; `run` tells it from other tests of the same integration."""
    return await client.start_workflow(
        IntegrationTestWorkflow.run,
        input,
        id=f"integration-test/{input.subject}/{run}",
        task_queue=DELIVER,
        execution_timeout=_TEST_PATIENCE,
        search_attributes=search_attributes(input.tenant_id, "integration-test", "testing"),
        static_summary="test a saved integration" if input.saved else "test a draft",
    )
