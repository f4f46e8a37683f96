"""Each of the three servers: starts, answers, keeps its data, comes back, leaves nothing."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aioboto3
import asyncpg
import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from embedded.child import Child, Program, running
from embedded.plan import Server
from embedded.ports import Ports
from embedded.postgres import Postgres
from embedded.s3 import REGION, S3
from embedded.temporal import SEARCH_ATTRIBUTES, Temporal
from tests.embedded.processes import alive, family, until_gone

SERVERS: dict[str, Callable[[Path, Ports], Server]] = {
    "postgres": lambda path, ports: Postgres(path, ports.take("postgres", 0)),
    "temporal": lambda path, ports: Temporal(path, ports.take("temporal", 0), ports.take("ui", 0)),
    "s3": lambda path, ports: S3(path, ports.take("s3", 0)),
}
PROGRAMS = {"postgres": "postgres", "temporal": "temporal", "s3": "juicefs"}


@pytest.fixture
def own_ports(tmp_path: Path) -> Ports:
    """Those of the test's own data directory, not of the run's servers."""
    return Ports(tmp_path / "ports.json")


async def usable_again(child: Child, program: Program) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await program.usable(child.pid)
            except Exception:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", SERVERS)
class TestEveryServer:
    async def test_comes_back_when_killed_and_leaves_nothing(
        self, name: str, tmp_path: Path, own_ports: Ports
    ) -> None:
        program = await SERVERS[name](tmp_path, own_ports).program()
        async with running(child := Child(program)):
            first = family(child.pid)
            assert Path(os.readlink(f"/proc/{child.pid}/exe")).name == PROGRAMS[name]
            os.kill(child.pid, signal.SIGKILL)
            await until_gone(first)
            await usable_again(child, program)
            second = family(child.pid)
            assert child.pid not in first
        assert not any(map(alive, second))


async def test_postgres_keeps_its_data_and_password(tmp_path: Path, own_ports: Ports) -> None:
    port = own_ports.take("postgres", 0)
    server = Postgres(tmp_path, port)
    async with running(Child(await server.program())):
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("create table kept as select 'café' as word")
        await connection.close()
    again = Postgres(tmp_path, port)
    async with running(Child(await again.program())):
        assert again.dsn == server.dsn
        connection = await asyncpg.connect(again.dsn)
        assert await connection.fetchval("select word from kept") == "café"
        assert await connection.fetchval("show fsync") == "on"
        await connection.close()


async def test_postgres_stops_although_a_client_is_connected(
    tmp_path: Path, own_ports: Ports
) -> None:
    server = Postgres(tmp_path, own_ports.take("postgres", 0))
    async with running(Child(await server.program())):
        connection = await asyncpg.connect(server.dsn)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("select 1")


async def test_postgres_refuses_a_wrong_password(postgres_dsn: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_dsn, password="guess")


async def test_postgres_half_made_cluster_is_made_anew(tmp_path: Path, own_ports: Ports) -> None:
    (tmp_path / "postgres" / "data.new" / "base").mkdir(parents=True)
    server = Postgres(tmp_path, own_ports.take("postgres", 0))
    async with running(Child(await server.program())):
        await (await asyncpg.connect(server.dsn)).close()


async def test_temporal_keeps_its_workflows(tmp_path: Path, own_ports: Ports) -> None:
    server = Temporal(tmp_path, own_ports.take("temporal", 0), own_ports.take("ui", 0))
    async with running(Child(await server.program())):
        client = await Client.connect(server.address)
        await client.start_workflow("Kept", id="kept", task_queue="nobody")
    async with running(Child(await server.program())):
        client = await Client.connect(server.address)
        assert (await client.get_workflow_handle("kept").describe()).workflow_type == "Kept"


async def test_temporal_is_set_up_as_the_service_needs_it(temporal_client: Client) -> None:
    asked = ListSearchAttributesRequest(namespace="default")
    known = await temporal_client.operator_service.list_search_attributes(asked)
    assert set(SEARCH_ATTRIBUTES) <= set(known.custom_attributes)
    named = DescribeNamespaceRequest(namespace="default")
    namespace = await temporal_client.workflow_service.describe_namespace(named)
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta().days == 30


def s3_client(server: S3) -> Any:
    return aioboto3.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )


async def test_s3_keeps_its_objects_etags_and_metadata(tmp_path: Path, own_ports: Ports) -> None:
    server = S3(tmp_path, own_ports.take("s3", 0))
    async with running(Child(await server.program())), s3_client(server) as client:
        meta = {"sourcesystem": "servicenow"}
        put = await client.put_object(Bucket=server.bucket, Key="a/b", Body=b"x", Metadata=meta)
    async with running(Child(await server.program())), s3_client(server) as client:
        kept = await client.get_object(Bucket=server.bucket, Key="a/b")
        assert await kept["Body"].read() == b"x"
        assert kept["ETag"] == put["ETag"]
        assert kept["Metadata"] == meta
