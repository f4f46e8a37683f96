"""The one service that all fault tests disturb, and an import that nothing disturbed."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from embedded.ports import Ports
from tests.faults.exports import export
from tests.faults.stack import Rows, Stack, rows, running
from tests.service import Tenant
from workflows.connection import connect

ROWS = 60_000
EXPORT = export(ROWS)


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    home = tmp_path_factory.mktemp("faults")
    ports = Ports(tmp_path_factory.mktemp("receivers") / "ports.json")
    receivers = [ports.take(f"receiver {number}", 0) for number in range(2)]
    allow = ",".join(f"127.0.0.1/32:{port}" for port in receivers)
    async with running(home, EGRESS_ALLOW=allow) as stack:
        yield stack


@pytest.fixture(scope="session")
async def undisturbed(stack: Stack) -> Rows:
    """The result of importing EXPORT undisturbed."""
    tenant = await stack.tenant()
    assert (await tenant.migrate(EXPORT))["successfulRecords"] == ROWS
    return await rows(tenant)


@pytest.fixture
async def victim(stack: Stack) -> Tenant:
    """A tenant of the disturbed service."""
    await stack.answering()
    return await stack.tenant()


@pytest.fixture
async def temporal(stack: Stack) -> Client:
    return await connect(stack.told["temporal"], "default")
