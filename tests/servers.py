"""The real servers that tests run on: each started once per run, and only when asked for."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from embedded.child import Child, running
from embedded.ports import Ports
from embedded.postgres import Postgres
from embedded.s3 import S3
from embedded.temporal import Temporal


@pytest.fixture(scope="session")
def servers_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of the run's servers."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def ports(servers_dir: Path) -> Ports:
    """Free ports, far from the usual ones."""
    return Ports(servers_dir / "ports.json")


@pytest.fixture(scope="session")
async def postgres_dsn(servers_dir: Path, ports: Ports) -> AsyncIterator[str]:
    """The DSN of an empty database on the run's PostgreSQL; the user is its superuser."""
    server = Postgres(servers_dir, ports.take("postgres", 0), durable=False)
    async with running(Child(await server.program())):
        yield server.dsn


@pytest.fixture
async def fresh_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The DSN of an empty database of the test's own."""
    async with new_database(postgres_dsn) as dsn:
        yield dsn


@asynccontextmanager
async def new_database(server: str, template: str = "") -> AsyncIterator[str]:
    """The DSN of a new database, empty or a copy of the one at the DSN `template`; dropped
    afterwards."""
    name, copied = f"test_{secrets.token_hex(8)}", template.rpartition("/")[2]
    how = f" template {copied} strategy file_copy" if copied else ""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database {name}{how}")
        yield server.rpartition("/")[0] + f"/{name}"
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


class Pausable(Temporal):
    """A server that lets operators pause workflows, which is off by default."""

    def _options(self) -> list[str]:
        return [*super()._options(), "--dynamic-config-value=frontend.WorkflowPauseEnabled=true"]


@pytest.fixture(scope="session")
async def temporal_address(servers_dir: Path, ports: Ports) -> AsyncIterator[str]:
    """The run's Temporal server; use a task queue of your own in each test."""
    server = Pausable(servers_dir, ports.take("temporal", 0), ports.take("temporal_ui", 0))
    async with running(Child(await server.program())):
        yield server.address


@pytest.fixture(scope="session")
async def temporal_client(temporal_address: str) -> Client:
    """A client that speaks pydantic models, as the service does."""
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)


@pytest.fixture(scope="session")
async def s3(servers_dir: Path, ports: Ports) -> AsyncIterator[S3]:
    """The run's S3 gateway: `endpoint`, `access_key`, `secret_key`, `bucket`, or `settings()`."""
    server = S3(servers_dir, ports.take("s3", 0))
    async with running(Child(await server.program())):
        yield server
