"""Temporal servers for the workflows alone: the service's workers serve the same task queues."""

from collections.abc import AsyncIterator

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from embedded.binaries import program_path
from tests.workflows.migration.fake_job import FakeJob
from tests.workflows.migration.steering import Steering
from workflows.attributes import JOB_KIND, PHASE, TENANT_ID

# Events after which the server suggests to continue as new; its default is 4,096.
_EARLY = "limit.historyCount.suggestContinueAsNew=30"


async def _server(*options: str) -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=program_path("temporal"),
        dev_server_extra_args=options,
        search_attributes=[TENANT_ID, JOB_KIND, PHASE],
        data_converter=pydantic_data_converter,
    )


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    async with await _server() as environment:
        yield environment.client


@pytest.fixture(scope="session")
async def brief_client() -> AsyncIterator[Client]:
    """A server that wants workflows to continue as new very soon."""
    async with await _server("--dynamic-config-value", _EARLY) as environment:
        yield environment.client


@pytest.fixture(scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which days pass in a moment, while a result is waited for."""
    path = program_path("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=path, data_converter=pydantic_data_converter
    ) as environment:
        names = (TENANT_ID.name, JOB_KIND.name, PHASE.name)
        keywords = dict.fromkeys(names, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
        wanted = AddSearchAttributesRequest(search_attributes=keywords)
        await environment.client.operator_service.add_search_attributes(wanted)
        yield environment


@pytest.fixture
def job() -> FakeJob:
    return FakeJob()


@pytest.fixture
def steer(client: Client, job: FakeJob) -> Steering:
    return Steering(client, job)
