"""`firelater up`: the whole service with one command, as its users and tests rely on it."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from embedded.binaries import program_path
from tests.embedded.processes import alive, family, until_gone
from tests.until import until
from tests.usual_ports import leave_usual_ports

GIVEN = ("DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_UI_URL", "S3_ENDPOINT", "API_PORT")


def environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in GIVEN}
    return {**kept, **given}


async def start(data_dir: Path, *options: str, **given: str) -> Process:
    command = (program_path("firelater"), "up", "--data-dir", str(data_dir), *options)
    env = environment(**given)
    return await asyncio.create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=STDOUT)


async def ready(process: Process, file: Path) -> dict[str, Any]:
    await until(lambda: file.exists() or process.returncode is not None, within=120)
    if process.returncode is not None:
        pytest.fail((await process.communicate())[0].decode())
    return content(file)


def content(ready_file: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ready_file.read_text())
    return told


def admin_key(told: dict[str, Any]) -> str:
    file = Path(told["admin_key_file"])
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text()


async def query(dsn: str, statement: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def pids(told: dict[str, Any]) -> list[int]:
    each = told["pids"]
    all_of_them = [each["api"], *each["workers"], each["postgres"], each["temporal"], each["s3"]]
    return [pid for pid in all_of_them if pid is not None]


@contextlib.asynccontextmanager
async def stack(
    data_dir: Path, *options: str, **given: str
) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    leave_usual_ports(data_dir)
    process = await start(data_dir, *options, **given)
    try:
        yield process, await ready(process, data_dir / "ready.json")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.communicate()


async def answers(url: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).status_code


async def test_serves_stops_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    async with stack(data_dir, "--workers", "2") as (process, first):
        assert await answers(f"{first['api']}/readyz") == 200
        assert await answers(first["temporal_ui"]) == 200
        assert first["console"] == f"{first['api']}/console"
        assert len(pids(first)) == 6
        assert all(map(alive, pids(first)))
        key = admin_key(first)
        await query(first["postgres"], "create table kept ()")
        everything = family(process.pid)
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        assert first["console"] in output.decode()
    await until_gone(everything)
    assert not (data_dir / "ready.json").exists()

    async with stack(data_dir) as (process, second):
        same = set(first) - {"pids"}
        assert {name: second[name] for name in same} == {name: first[name] for name in same}
        assert admin_key(second) == key
        assert await query(second["postgres"], "select to_regclass('kept') is not null")
        everything = family(process.pid)
        process.kill()
        await process.communicate()
    await until_gone(everything)


async def test_uses_given_servers_and_local_storage(
    tmp_path: Path, fresh_database: str, temporal_address: str
) -> None:
    given = {"DATABASE_URL": fresh_database, "TEMPORAL_ADDRESS": temporal_address}
    async with stack(tmp_path, "--storage", "local", **given) as (process, told):
        assert told["postgres"] == fresh_database
        assert told["temporal"] == temporal_address
        assert told["s3"] is None
        assert [told["pids"][name] for name in ("postgres", "temporal", "s3")] == [None] * 3
        # psutil leaves a child out for a moment when the machine's clock is set.
        await until(lambda: set(pids(told)) <= set(family(process.pid)))
        assert await answers(f"{told['api']}/readyz") == 200


async def test_a_killed_api_and_worker_come_back_and_the_ready_file_says_so(
    tmp_path: Path, fresh_database: str, temporal_address: str
) -> None:
    given = {"DATABASE_URL": fresh_database, "TEMPORAL_ADDRESS": temporal_address}
    options = ("--storage", "local", "--workers", "1")
    async with stack(tmp_path, *options, **given) as (_, before):
        for pid in pids(before):
            os.kill(pid, signal.SIGKILL)
        file = tmp_path / "ready.json"
        await until(lambda: not set(pids(content(file))) & set(pids(before)))
        assert all(map(alive, pids(content(file))))


async def test_a_database_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    process = await start(tmp_path, "--storage", "local", **given)
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode().startswith("firelater: the database cannot be reached")
    assert "Traceback" not in output.decode()


def test_the_command_itself_loads_nothing_heavy() -> None:
    code = "import sys, cli; print(*sys.modules)"
    python = [sys.executable, "-c", code]
    loaded = subprocess.run(python, capture_output=True, text=True, check=True).stdout.split()
    assert not {"polars", "temporalio", "sqlalchemy", "aioboto3", "fastapi"} & set(loaded)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EGRESS_ALLOW", "10.0.0.0", "10.1.2.0/24:8443"),
        ("EGRESS_ALLOW", "0.0.0.0/0:443", "too wide"),
        ("EGRESS_PROXY", "socks5://us:s3cret@127.0.0.1:1080", "http://user:password@host:port"),
        ("EGRESS_PROXY_RESOLVES", "true", "needs EGRESS_PROXY"),
        ("EGRESS_CA_FILE", "/nowhere/authorities.pem", "/nowhere/authorities.pem"),
        ("EGRESS_LISTED_DIRECT", "perhaps", "boolean"),
        ("WORKER_MEMORY_BYTES", "2 GiB", "integer"),
    ],
)
async def test_a_setting_that_cannot_be_is_a_sentence_before_anything_starts(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    process = await start(tmp_path / "var", **{name: value})
    output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert name in output
    assert says in output
    assert "docs/configuration.md" in output
    assert "Traceback" not in output
    assert "s3cret" not in output
    assert not (tmp_path / "var").exists()
