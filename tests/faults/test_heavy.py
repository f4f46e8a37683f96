"""Jobs that kill their process end with the reason and do not harm other jobs."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import psutil
import pytest

from tests.faults.exports import HEADER, export
from tests.faults.stack import Stack, ended, ledger, rows, running
from tests.service import Tenant
from tests.until import until

pytestmark = pytest.mark.campaign

ROWS = 20_000
EXPORT = export(ROWS)
MIB = 2**20


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A service that allows 450 MiB to the process of one job, enough for most files."""
    home = tmp_path_factory.mktemp("heavy")
    async with running(home, IMPORT_SLOTS="3", PARSE_MEMORY_BYTES=f"{450 * MIB}") as stack:
        yield stack


def swelling(records: int) -> bytes:
    """A CSV whose one chunk takes more than 450 MiB to be imported: each of its characters is six
    in JSON, and PostgreSQL reads that as CSV."""
    notes = "\x01" * 45_000
    lines = (f"INC{n:07},t,New,1,2024-05-01 08:00:00,{notes}" for n in range(1, records + 1))
    return "\n".join([HEADER.replace("building", "u_notes"), *lines, ""]).encode()


async def work_of(tenant: Tenant) -> dict[str, Any]:
    """The recorded starts of the tenant's only job."""
    found = await tenant.sql("select * from public.work_starts where tenant_id = $1", tenant.id)
    return dict(found[0]) if found else {}


def processes_alone(stack: Stack) -> list[psutil.Process]:
    return _children(psutil.Process(stack.pids("worker")[0]), "--alone")


def _children(worker: psutil.Process, word: str) -> list[psutil.Process]:
    found = []
    with suppress(psutil.NoSuchProcess):  # the worker itself is gone
        for each in worker.children():
            with suppress(psutil.Error):
                if word in each.cmdline():
                    found.append(each)
    return found


@asynccontextmanager
async def held_up(tenant: Tenant) -> AsyncIterator[None]:
    """Keep checks of the tenant's files from coming to an end."""
    connection = await asyncpg.connect(tenant.service.dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"lock table {tenant.id.schema}.import_errors in exclusive mode")
    yield
    await transaction.rollback()
    await connection.close()


async def importing_alone(stack: Stack, tenant: Tenant, job_id: str) -> psutil.Process:
    """Wait until a process alone imports the only job that there is; that process."""

    async def is_importing() -> bool:
        work = await work_of(tenant)
        return work["work"] == "import_segment" and processes_alone(stack) != []

    await tenant.post(f"/v1/migration/{job_id}/execute", {"batchSize": 100})
    await until(is_importing)
    [found] = processes_alone(stack)
    return found


async def set_apart(tenant: Tenant) -> None:
    """Make the job look as if its worker had died twice."""
    await tenant.sql(
        "update public.work_starts set alone = true where tenant_id = $1 returning 1", tenant.id
    )


async def test_out_of_memory_in_an_import_ends_the_job_with_its_reason(stack: Stack) -> None:
    victim, other = await stack.tenant(), await stack.tenant()
    worker = stack.pids("worker")
    job = (await victim.upload(swelling(350))).json()["job"]
    assert job["status"] == "preview", job
    await set_apart(victim)
    await victim.post(f"/v1/migration/{job['id']}/execute")
    beside = await other.migrate(EXPORT)
    job = await ended(victim, job["id"])
    assert (job["status"], job["failure"]["code"]) == ("failed", "resource_limit")
    assert job["failure"]["row"] == 1
    assert "importing stopped in chunk 0 (records 1 to 350)" in job["failure"]["detail"]
    assert "450 MiB" in job["failure"]["detail"]
    assert (await work_of(victim))["own_deaths"] == 3
    assert (await rows(victim)).rows == 0
    assert victim.stored_files() == []
    assert beside["successfulRecords"] == ROWS
    assert stack.pids("worker") == worker


async def test_set_apart_a_normal_job_completes_as_ever(stack: Stack) -> None:
    victim, other = await stack.tenant(), await stack.tenant()
    await other.migrate(EXPORT)
    job = (await victim.upload(EXPORT)).json()["job"]
    await set_apart(victim)
    await importing_alone(stack, victim, job["id"])
    assert (await ended(victim, job["id"]))["status"] == "completed"
    assert await rows(victim) == await rows(other)
    assert (await ledger(victim, job["id"])).committed == ROWS // 100


async def test_after_two_deaths_it_works_alone_and_kills_from_outside_end_no_job(
    stack: Stack,
) -> None:
    """The worker is killed again and again: while it works for all, and while it only watches."""
    victim, other = await stack.tenant(), await stack.tenant()
    killed: str | None = None

    async def is_checking() -> bool:
        work = await work_of(victim)
        return work.get("work") == "validate_records" and work["open"] not in (None, killed)

    async with held_up(victim):
        job_id = (await victim.upload(EXPORT, wait=0)).json()["job"]["id"]
        for _ in range(2):
            await until(is_checking)
            killed = (await work_of(victim))["open"]
            pid = stack.send("worker")
            await stack.replaced("worker", pid)
        for _ in range(4):  # a process alone whose worker is killed proves nothing
            await until(lambda: processes_alone(stack) != [])
            pid = stack.send("worker")
            await stack.replaced("worker", pid)
    work = await work_of(victim)
    assert (work["alone"], work["shared_deaths"], work["own_deaths"]) == (True, 2, 0)
    await victim.settled(job_id, "preview")
    assert (await victim.execute(job_id))["status"] == "completed"
    assert (await other.migrate(EXPORT))["successfulRecords"] == ROWS
    assert await rows(victim) == await rows(other)


async def test_three_deaths_alone_are_enough(stack: Stack) -> None:
    victim = await stack.tenant()
    job = (await victim.upload(EXPORT)).json()["job"]
    await set_apart(victim)
    worker = stack.pids("worker")
    await victim.post(f"/v1/migration/{job['id']}/execute")
    killed = set[int]()
    while len(killed) < 3:
        await until(lambda: any(each.pid not in killed for each in processes_alone(stack)))
        for each in processes_alone(stack):
            killed.add(each.pid)
            os.kill(each.pid, signal.SIGKILL)
    job = await ended(victim, job["id"])
    assert (job["status"], job["failure"]["code"]) == ("failed", "resource_limit")
    assert "was killed (SIGKILL)" in job["failure"]["detail"]
    assert (await rows(victim)).rows == 0
    assert stack.pids("worker") == worker


async def test_paused_and_cancelled_alone_it_obeys(stack: Stack) -> None:
    victim = await stack.tenant()
    job = (await victim.upload(EXPORT)).json()["job"]
    await set_apart(victim)
    path = f"/v1/migration/{job['id']}"
    await importing_alone(stack, victim, job["id"])
    assert (await victim.post(f"{path}/pause")).is_success
    await until(lambda: processes_alone(stack) == [])
    assert (await victim.job(job["id"]))["status"] == "paused"
    assert (await victim.post(f"{path}/resume")).is_success
    await until(lambda: processes_alone(stack) != [])
    assert (await victim.post(f"{path}/cancel")).is_success
    assert (await ended(victim, job["id"]))["status"] == "cancelled"
    assert (await rows(victim)).rows == 0
    assert processes_alone(stack) == []


async def test_told_to_stop_a_process_alone_comes_to_an_end_too(stack: Stack) -> None:
    victim = await stack.tenant()
    job = (await victim.upload(EXPORT)).json()["job"]
    await set_apart(victim)
    alone = await importing_alone(stack, victim, job["id"])
    pid = stack.send("worker", signal.SIGTERM)
    await until(lambda: not psutil.pid_exists(pid) and not psutil.pid_exists(alone.pid), 40)
    assert (await ended(victim, job["id"]))["status"] == "completed"
    assert (await rows(victim)).rows == ROWS
    assert (await work_of(victim))["own_deaths"] == 0


async def test_a_parser_that_is_killed_is_tried_again_and_then_given_up(stack: Stack) -> None:
    """Memory may have run out by somebody else's fault: one death proves nothing."""
    victim = await stack.tenant()
    worker = psutil.Process(stack.pids("worker")[0])
    job_id = (await victim.upload(export(400_000), wait=0)).json()["job"]["id"]
    killed = set[int]()

    def parsers() -> list[psutil.Process]:
        return _children(worker, "sources.sandbox.child")

    while len(killed) < 3:
        await until(lambda: any(each.pid not in killed for each in parsers()))
        for each in parsers():
            killed.add(each.pid)
            os.kill(each.pid, signal.SIGKILL)
    job = await ended(victim, job_id)
    assert (job["status"], job["failure"]["code"]) == ("failed", "resource_limit")
    assert "reading the file stopped at record 1 or after it (chunk 0)" in job["failure"]["detail"]
    assert worker.is_running()
