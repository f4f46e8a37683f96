"""The reaper finds a job that was never started, and one that was ended from outside."""

import asyncio
import signal
from contextlib import suppress
from typing import Any

import httpx
from temporalio.client import Client

from tests.faults.conftest import EXPORT, ROWS
from tests.faults.stack import Rows, Stack, ended, rows, started, until_committed
from tests.service import Tenant
from tests.until import until
from workflows.migration.start import migration_id
from workflows.reaper import ReaperWorkflow
from workflows.step import ORCHESTRATE
from workflows.sweep import Reaped, ReapInput


async def reap(temporal: Client, tenant: Tenant) -> Reaped:
    """A sweep without the usual period of grace."""
    return await temporal.execute_workflow(
        ReaperWorkflow.run,
        ReapInput(grace_seconds=0),
        id=f"reap/{tenant.slug}",
        task_queue=ORCHESTRATE,
    )


async def test_a_job_that_the_api_could_not_start_is_started(
    stack: Stack, victim: Tenant, undisturbed: Rows, temporal: Client
) -> None:
    temporal_pid = stack.send("temporal", signal.SIGSTOP)  # it will never see the request
    upload = asyncio.create_task(victim.upload(EXPORT, wait=0))
    await until(lambda: jobs_of(victim))
    api_pid = stack.send("api")
    with suppress(httpx.TransportError):
        await upload
    stack.send("temporal")
    await stack.replaced("temporal", temporal_pid)
    await stack.replaced("api", api_pid)
    await stack.answering()

    [job] = (await victim.get("/v1/migration")).json()["data"]
    assert (job["status"], job["phase"]) == ("pending", "uploading")
    assert (await reap(temporal, victim)).started == 1
    assert (await victim.settled(job["id"], "preview"))["totalRecords"] == ROWS
    assert (await victim.execute(job["id"]))["status"] == "completed"
    assert await rows(victim) == undisturbed


async def jobs_of(tenant: Tenant) -> bool:
    query = "select from public.migration_jobs where tenant_id = $1"
    return bool(await tenant.sql(query, tenant.id))


async def test_a_job_that_an_operator_terminated_is_taken_back_and_closed(
    stack: Stack, victim: Tenant, temporal: Client
) -> None:
    job_id = await started(victim, EXPORT, batchSize=100)
    await until_committed(victim, job_id, 10)
    await temporal.get_workflow_handle(migration_id(job_id)).terminate("by hand")
    assert (await reap(temporal, victim)).closed == 1
    job: dict[str, Any] = await ended(victim, job_id)
    assert (job["status"], job["failure"]["code"]) == ("failed", "terminated")
    assert job["report"]["undone"]["deleted"] > 0
    assert (await rows(victim)).rows == 0
    assert victim.stored_files() == []
