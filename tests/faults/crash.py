"""PostgreSQL crashes while other processes are stopped, and what must agree afterwards."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg
import psutil

from tests.faults.stack import Name, Rows, Stack, rows
from tests.service import Tenant
from tests.until import until

_LOOKS = 10  # in a row, some hundredths of a second apart, that must find the import at rest
How = Literal["kill", "immediate"]
_LEDGER = ("inserted", "updated", "skipped", "failed")
_OUTCOMES = ("successfulRecords", "updatedRecords", "skippedRecords", "failedRecords")


@contextmanager
def standing_still(stack: Stack, names: Iterable[Name]) -> Iterator[list[int]]:
    """Stop the processes for the length of the block, as a machine that hangs does."""
    pids = [pid for name in names for pid in stack.pids(name)]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield pids
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def crash_postgres(stack: Stack, how: How) -> int:
    """Kill the server and all its processes, or stop it at once; its process id."""
    pid = stack.pids("postgres")[0]
    if how == "immediate":
        os.kill(pid, signal.SIGQUIT)
        return pid
    server = psutil.Process(pid)
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return pid


async def crashed(stack: Stack, how: How) -> None:
    """Crash PostgreSQL; returns when another one answers in its place."""
    await stack.replaced("postgres", crash_postgres(stack, how))

    async def answers() -> bool:
        with suppress(OSError, asyncpg.PostgresError, TimeoutError):
            connection = await asyncpg.connect(stack.service.dsn, timeout=5)
            await connection.close()
            return True
        return False

    await until(answers)


@dataclass(frozen=True, slots=True)
class Watch:
    """Reads a job's ledger over one connection, so that it can read often."""

    connection: "asyncpg.Connection[Any]"
    schema: str
    job_id: str

    async def batches(self) -> int:
        query = (
            f"select count(*) from {self.schema}.import_chunks"
            " where job_id = $1 and committed_at is not null"
        )
        found: int = await self.connection.fetchval(query, self.job_id)
        return found

    async def is_quiet(self) -> bool:
        """Whether no other connection has a transaction open."""
        query = (
            "select count(*) from pg_stat_activity where xact_start is not null"
            " and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        busy: int = await self.connection.fetchval(query)
        return busy == 0

    async def reaches(self, batches: int) -> None:
        """Wait until that many batches are in, or until the job has ended without them."""
        ended = "select completed_at is not null from public.migration_jobs where id = $1"

        async def check() -> bool:
            over: bool = await self.connection.fetchval(ended, self.job_id)
            return over or await self.batches() >= batches

        await until(check)

    async def comes_to_rest(self) -> None:
        """Wait until no batch was being written for a number of looks."""
        seen, still = -1, 0

        async def check() -> bool:
            nonlocal seen, still
            before, seen = seen, await self.batches()
            still = still + 1 if before == seen and await self.is_quiet() else 0
            return still >= _LOOKS

        await until(check)


async def forget_longer(stack: Stack) -> None:
    """Slow down the server's own log writer, so that a crash takes back not only what was written
    within 0.2 seconds before it: each one counts."""
    connection = await asyncpg.connect(stack.service.dsn)
    for setting in ("wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'"):
        await connection.execute(f"alter system set {setting}")
    await connection.execute("select pg_reload_conf()")
    await connection.close()


@asynccontextmanager
async def watching(tenant: Tenant, job_id: str) -> AsyncIterator[Watch]:
    connection = await asyncpg.connect(tenant.service.dsn)
    try:
        yield Watch(connection, tenant.id.schema, job_id)
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.wait_for(connection.close(), 5)


@asynccontextmanager
async def idle(stack: Stack, watch: Watch, names: Iterable[Name]) -> AsyncIterator[None]:
    """Stop the processes between two batches: no transaction is open, so that nobody notices if
    PostgreSQL dies and comes back in the block. Without names, nobody stops."""
    with standing_still(stack, [name for name in names if name != "worker"]) as stopped:
        if stopped:
            await watch.comes_to_rest()
        if "worker" not in names:
            yield
            return
        while True:
            with standing_still(stack, ["worker"]):
                if await watch.is_quiet():
                    yield
                    return
            await asyncio.sleep(0.002)


async def batches_in(tenant: Tenant, job_id: str) -> int:
    """How many batches are in now, over a new connection."""
    async with watching(tenant, job_id) as watch:
        return await watch.batches()


@dataclass(frozen=True, slots=True)
class Verdict:
    """An ended job: its own figures, those of its ledger and those of the table."""

    status: str
    code: str | None
    total: int
    told: tuple[int, ...]
    reported: tuple[int, ...] | None
    ledger: tuple[int, ...]
    rows: Rows

    @property
    def agrees(self) -> bool:
        """Rows = ledger = counts, if it says `completed`; else nothing is there."""
        if self.status != "completed":
            return self.rows.rows == 0
        inserted = self.ledger[0]
        return (
            self.told == self.reported == self.ledger
            and sum(self.ledger) == self.total
            and self.rows.rows == self.rows.ids == inserted
        )


async def verdict(tenant: Tenant, job: dict[str, Any]) -> Verdict:
    sums = await tenant.sql(
        "select coalesce(sum(inserted), 0)::int, coalesce(sum(updated), 0)::int,"
        " coalesce(sum(skipped), 0)::int, coalesce(sum(failed), 0)::int from import_chunks"
        " where job_id = $1 and committed_at is not null and undone_at is null",
        job["id"],
    )
    imported = job["report"].get("imported")
    return Verdict(
        status=job["status"],
        code=(job["failure"] or {}).get("code"),
        total=job["totalRecords"],
        told=tuple(job[name] for name in _OUTCOMES),
        reported=imported and tuple(imported[name] for name in _LEDGER),
        ledger=tuple(sums[0]),
        rows=await rows(tenant),
    )
