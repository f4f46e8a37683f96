"""A rotation that is killed half-way loses nothing, and the next one finishes it."""

import asyncio
import random
import signal
import sys
from asyncio.subprocess import DEVNULL

from storage.rotation import BATCH_ROWS
from storage.secrets import key_ids
from tests.faults.stack import until
from tests.storage.kept import ROOT, SECRETS, Kept

ROWS = 3_000


async def under(kept: Kept, kid: str) -> int:
    """How many rows are under the key."""
    return sum(set(key_ids(sealed)) == {kid} for _, _, sealed in await kept.rows())


async def test_killed_half_way_it_is_finished_by_the_next_run(kept: Kept) -> None:
    chance = random.Random(20_240_229)
    for tenant_id in kept.tenants:
        await kept.add(tenant_id, ROWS // 2)
    first, second = sorted(chance.sample(range(1, ROWS - 5 * BATCH_ROWS), 2))
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
    """Start a rotation, kill it when that many rows are under the new key."""
    command = [sys.executable, "-m", "cli", "secrets", "rotate", *words]
    rotating = await asyncio.create_subprocess_exec(
        *command, env=kept.environment, cwd=ROOT, stdout=DEVNULL
    )

    async def is_there() -> bool:
        assert rotating.returncode is None, "it was done before it was killed"
        return await under(kept, kept.file.current().active) >= point

    async def has_new_key() -> bool:
        return kept.file.current().active != "k1"

    await until(has_new_key)
    await until(is_there)
    rotating.send_signal(signal.SIGKILL)
    await rotating.wait()
    moved = await under(kept, kept.file.current().active)
    assert point <= moved < ROWS
    # What it had not come to still opens under the key of before, in a process that started then.
    verified = await asyncio.to_thread(kept.run, "verify")
    assert verified.stdout.splitlines()[-1] == "shut=0"
    assert f"k1: {3 * (ROWS - moved)} secrets open" in verified.stdout
