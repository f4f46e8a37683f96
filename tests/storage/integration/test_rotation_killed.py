"""A rotation that is killed half-way loses nothing, and the next one finishes it."""

import asyncio
import random
import signal
import sys
from asyncio.subprocess import DEVNULL

import asyncpg

from storage.integration.secret_rotation import BATCH_ROWS
from storage.secrets.vault import key_ids
from tests.storage.kept import ROOT, SECRETS, Kept
from tests.until import until

ROWS = 3_000
_WAITING = """
select exists (select 1 from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock')
"""


async def under(kept: Kept, kid: str) -> int:
    """How many rows are under the key."""
    return sum(set(key_ids(sealed)) == {kid} for _, _, sealed in await kept.rows())


async def test_killed_half_way_it_is_finished_by_the_next_run(kept: Kept) -> None:
    chance = random.Random(20_240_229)
    for tenant_id in kept.tenants:
        await kept.add(tenant_id, ROWS // 2)
    first, second = sorted(chance.sample(range(2 * BATCH_ROWS, ROWS - 5 * BATCH_ROWS), 2))
    await killed(kept, first, "--new-key")
    await killed(kept, second)
    kid = kept.file.current().active
    done = await asyncio.to_thread(kept.run, "rotate")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"active={kid} remaining=0"
    assert f"{kid}: {3 * ROWS} secrets open" in kept.run("verify").stdout
    rows = await kept.rows()
    assert len(rows) == ROWS
    for tenant_id, id, sealed in rows:
        assert kept.vault.open(tenant_id, id, sealed) == SECRETS | {"n": str(id)}
    assert kept.run("retire", "k1").returncode == 0
    assert kept.run("verify").returncode == 0


async def killed(kept: Kept, point: int, *words: str) -> None:
    """Start a rotation and kill it when it stands before the row of that number, which is held."""
    rows = [
        (tenant_id, id)
        for each in kept.tenants
        for tenant_id, id, _ in sorted(await kept.rows(), key=lambda row: row[1])
        if tenant_id == each
    ]
    tenant_id, id = rows[point]
    holding = await asyncpg.connect(kept.dsn)
    try:
        async with holding.transaction():
            table = f"{tenant_id.schema}.integrations"
            await holding.execute(f"select 1 from {table} where id = $1 for update", id)
            await killed_waiting(kept, *words)
    finally:
        await holding.close()
    moved = await under(kept, kept.file.current().active)
    assert point - BATCH_ROWS <= moved <= point
    # Rows that it had not reached still open with the old key, in a process that starts now.
    verified = await asyncio.to_thread(kept.run, "verify")
    assert verified.stdout.splitlines()[-1] == "shut=0"
    assert f"k1: {3 * (ROWS - moved)} secrets open" in verified.stdout


async def killed_waiting(kept: Kept, *words: str) -> None:
    """Start a rotation, and kill it when it waits for somebody's lock."""
    command = [sys.executable, "-m", "cli", "secrets", "rotate", *words]
    rotating = await asyncio.create_subprocess_exec(
        *command, env=kept.environment, cwd=ROOT, stdout=DEVNULL
    )
    looking = await asyncpg.connect(kept.dsn)

    async def is_waiting() -> bool:
        assert rotating.returncode is None, "it was done before it was killed"
        waiting: bool = await looking.fetchval(_WAITING)
        return waiting

    try:
        await until(is_waiting)
    finally:
        rotating.send_signal(signal.SIGKILL)
        await rotating.wait()
        await looking.close()
