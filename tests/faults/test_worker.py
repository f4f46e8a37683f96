"""Workers that are killed, stopped and told to stop in the middle of their work."""

import asyncio
import random
import signal
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psutil
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from tests.faults.conftest import EXPORT, ROWS
from tests.faults.stack import (
    Rows,
    Stack,
    ended,
    ledger,
    rows,
    started,
    until_committed,
)
from tests.service import Tenant
from tests.until import until
from workflows.migration.start import migration_id
from workflows.step import IMPORT

BATCH = 500
BATCHES = ROWS // BATCH


async def test_killed_in_import_and_parse_loses_nothing_and_repeats_little(
    stack: Stack, victim: Tenant, undisturbed: Rows
) -> None:
    chance = random.Random(20_240_229)
    first, *later = sorted(chance.sample(range(3, BATCHES - 10), 3))
    job_id = await started(victim, EXPORT, batchSize=BATCH)
    await until_committed(victim, job_id, first)
    pid = stack.send("worker")
    await stack.replaced("worker", pid)

    # While that import waits to be missed, another file's parse is killed as well.
    other = await stack.tenant()
    parsed = (await other.upload(EXPORT, wait=0)).json()["job"]["id"]
    some = chance.randrange(1, 3)
    await until(lambda: len(parsed_chunks(other)) >= some)
    pid = stack.send("worker")
    assert (await other.job(parsed))["phase"] == "parsing"

    for batch in later:
        await stack.replaced("worker", pid)  # on a busy machine the batch may be in already
        await until_committed(victim, job_id, batch)
        pid = stack.send("worker")
    assert (await ended(victim, job_id))["status"] == "completed"
    assert await rows(victim) == undisturbed
    done = await ledger(victim, job_id)
    assert (done.committed, done.inserted) == (BATCHES, ROWS)
    assert done.redone <= 3

    preview = await other.settled(parsed, "preview")
    assert preview["totalRecords"] == ROWS
    assert (await other.execute(parsed))["status"] == "completed"
    assert await rows(other) == undisturbed
    assert victim.stored_files() == other.stored_files() == []


def parsed_chunks(tenant: Tenant) -> list[Path]:
    return [path for path in tenant.stored_files() if path.suffix == ".arrow"]


async def test_told_to_stop_it_drains_and_the_next_one_goes_on(
    stack: Stack, victim: Tenant, undisturbed: Rows
) -> None:
    job_id = await started(victim, EXPORT, batchSize=BATCH)
    await until_committed(victim, job_id, 5)
    pid = stack.send("worker", signal.SIGTERM)
    await until(lambda: not psutil.pid_exists(pid), within=30)
    assert (await ended(victim, job_id))["status"] == "completed"
    assert await rows(victim) == undisturbed
    done = await ledger(victim, job_id)
    assert (done.committed, done.inserted) == (BATCHES, ROWS)
    assert done.redone <= 1


async def test_stopped_beyond_its_heartbeat_it_writes_nothing_when_it_goes_on(
    stack: Stack, victim: Tenant, undisturbed: Rows, temporal: Client
) -> None:
    async with stack.second_worker():
        job_id = await started(victim, EXPORT, batchSize=BATCH)
        await until_committed(victim, job_id, 5)
        workflow = temporal.get_workflow_handle(migration_id(job_id))
        [segment] = (await workflow.describe()).raw_description.pending_activities
        identity = segment.last_worker_identity
        stopped = psutil.Process(int(identity.rpartition("@")[2]))
        await stop_between_batches(stopped, victim.service.dsn)
        await until_committed(victim, job_id, BATCHES)
        before = (await rows(victim), await ledger(victim, job_id))
        since = datetime.now(UTC)
        stopped.resume()
        await until(lambda: takes_work(temporal, identity, since))  # so it has left the import
        assert (await ended(victim, job_id))["status"] == "completed"
        assert (await rows(victim), await ledger(victim, job_id)) == before
    found, done = before
    assert found == undisturbed
    assert (done.committed, done.inserted) == (BATCHES, ROWS)
    assert done.redone <= 1


async def takes_work(temporal: Client, identity: str, since: datetime) -> bool:
    """Whether a worker has asked for a long activity; with its one slot taken it does not."""
    described = await temporal.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=temporal.namespace,
            task_queue=TaskQueue(name=IMPORT),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    return any(
        poller.identity == identity and poller.last_access_time.ToDatetime(UTC) > since
        for poller in described.pollers
    )


async def stop_between_batches(process: psutil.Process, dsn: str) -> None:
    """Stop a worker at a moment when it has no transaction open, so that it holds no lock."""
    connection = await asyncpg.connect(dsn)
    open_transactions = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and xact_start is not null and pid <> pg_backend_pid()"
    )
    process.suspend()
    while await connection.fetchval(open_transactions):
        process.resume()
        await asyncio.sleep(0.002)
        process.suspend()
    await connection.close()
