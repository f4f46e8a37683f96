"""PostgreSQL and Temporal going down under an import, and coming back."""

import random
import signal

from tests.faults.conftest import EXPORT, ROWS
from tests.faults.stack import Rows, Stack, ended, ledger, rows, started, until_committed
from tests.service import Tenant

BATCH = 200
BATCHES = ROWS // BATCH


async def test_an_import_outlives_postgres_and_temporal(
    stack: Stack, victim: Tenant, undisturbed: Rows
) -> None:
    chance = random.Random(20_240_301)
    job_id = await started(victim, EXPORT, batchSize=BATCH)
    await until_committed(victim, job_id, chance.randrange(5, BATCHES // 3))
    postgres = stack.send("postgres", signal.SIGQUIT)  # an immediate shutdown: as good as a crash
    await stack.replaced("postgres", postgres)
    await stack.answering()
    await until_committed(victim, job_id, chance.randrange(BATCHES // 2, BATCHES - 50))
    temporal = stack.send("temporal")
    await stack.replaced("temporal", temporal)
    assert (await ended(victim, job_id))["status"] == "completed"
    assert await rows(victim) == undisturbed
    done = await ledger(victim, job_id)
    assert (done.committed, done.inserted) == (BATCHES, ROWS)
    assert done.redone <= 2
    assert victim.stored_files() == []
