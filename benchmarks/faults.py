"""`python -m benchmarks.faults [FAULT …] [--rows N] [--seed N] [--cache DIR]`: whether imports lose
or repeat rows when processes are killed.

Processes are killed during imports, after random numbers of chunks, and the result is compared with
that of an undisturbed import. Prints one JSON line for each kill, and a summary by fault.
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import asyncpg

from benchmarks.generate import export
from sources.readers.chunk import CHUNK_ROWS
from tests.faults.stack import Name, Rows, Stack, ended, ledger, rows, running
from tests.service import Tenant

Count: TypeAlias = Callable[[], Awaitable[int]]

_MARGIN = 4  # chunks at the end of a file, among which nothing is killed


@dataclass(frozen=True, slots=True)
class Fault:
    """What is killed, in which phase and by which signal: `kills` times in each of `imports`."""

    victim: Name
    phase: str
    kills: int
    imports: int
    by: signal.Signals = signal.SIGKILL

    @property
    def name(self) -> str:
        return f"{self.victim}-{self.phase}"


FAULTS = (
    Fault("worker", "import", kills=5, imports=4),
    Fault("worker", "parse", kills=1, imports=5),
    Fault("postgres", "import", kills=3, imports=2, by=signal.SIGQUIT),  # immediate shutdown
    Fault("temporal", "import", kills=3, imports=2),
)


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: after how many chunks, the seconds until one more chunk was done, and what was done
    again.

    `redone`: chunks that were begun a second time; None for a parse, which has no ledger.
    `forgotten`: finished chunks that were gone after the kill: of an import, those that a crash of
    PostgreSQL took back together with their ledger rows.
    """

    after_chunk: int
    seconds_to_recovery: float
    redone: int | None
    forgotten: int


@dataclass(slots=True)
class Outcome:
    """The kills of one fault, and how the imports ended."""

    kills: list[Kill] = field(default_factory=list)
    completed: int = 0
    lost_rows: int = 0
    extra_rows: int = 0
    other_content: int = 0

    def add(self, status: str, found: Rows, expected: Rows) -> None:
        self.completed += status == "completed"
        self.lost_rows += max(0, expected.ids - found.ids)
        self.extra_rows += found.rows - found.ids
        self.other_content += found.digest != expected.digest

    def summary(self) -> dict[str, Any]:
        seconds = [kill.seconds_to_recovery for kill in self.kills]
        return {
            "kills": len(self.kills),
            "completed": self.completed,
            "lost_rows": self.lost_rows,
            "extra_rows": self.extra_rows,
            "imports_with_other_content": self.other_content,
            "redone_chunks_max_per_kill": max(kill.redone or 0 for kill in self.kills),
            "forgotten_chunks_max_per_kill": max(kill.forgotten for kill in self.kills),
            "seconds_to_recovery": {"median": round(median(seconds), 1), "max": max(seconds)},
        }


@dataclass(frozen=True, slots=True)
class Campaign:
    """A running service, the file that is imported again and again, its number of chunks, and the
    random numbers that decide when to kill."""

    stack: Stack
    file: Path
    chunks: int
    chance: random.Random

    async def upload(self, tenant: Tenant) -> str:
        await self.stack.answering()
        with self.file.open("rb") as content:
            response = await self.stack.service.http.post(
                "/v1/migration/upload",
                data={"sourceSystem": "servicenow", "entityType": "incident", "wait": "0"},
                files={"file": (self.file.name, content)},
                headers=tenant.headers,
            )
        job_id: str = response.raise_for_status().json()["job"]["id"]
        return job_id

    async def execute(self, tenant: Tenant, job_id: str) -> None:
        await tenant.settled(job_id, "preview")
        response = await tenant.post(f"/v1/migration/{job_id}/execute")
        response.raise_for_status()

    async def undisturbed(self) -> Rows:
        """The rows that an import without any fault writes."""
        tenant = await self.stack.tenant()
        job_id = await self.upload(tenant)
        await self.execute(tenant, job_id)
        await ended(tenant, job_id)
        return await rows(tenant)

    async def disturb(self, fault: Fault, expected: Rows) -> Outcome:
        """Run the imports of the fault; prints a line for each kill."""
        outcome = Outcome()
        for _ in range(fault.imports):
            tenant = await self.stack.tenant()
            job_id = await self.upload(tenant)
            if fault.phase == "parse":
                outcome.kills += await self.kill(fault, partial(_parsed, tenant))
            await self.execute(tenant, job_id)
            if fault.phase == "import":
                watch = partial(_committed, tenant, job_id)
                outcome.kills += await self.kill(fault, watch, partial(_redone, tenant, job_id))
            job = await ended(tenant, job_id)
            outcome.add(job["status"], await rows(tenant), expected)
        return outcome

    async def kill(self, fault: Fault, progress: Count, redone: Count | None = None) -> list[Kill]:
        """Kill after random numbers of chunks; after each kill, wait for one more chunk."""
        kills = []
        last = self.chunks - _MARGIN
        for after in sorted(self.chance.sample(range(1, last + 1), fault.kills)):
            before = await _reaches(progress, after)
            redone_before = await redone() if redone else 0
            pid = self.stack.send(fault.victim, fault.by)
            killed = time.monotonic()
            lowest = await _recovers(progress, before)
            kill = Kill(
                after_chunk=before,
                seconds_to_recovery=round(time.monotonic() - killed, 1),
                redone=await redone() - redone_before if redone else None,
                forgotten=max(0, before - lowest),
            )
            kills.append(kill)
            # An import goes on without Temporal for a while: before the next kill, the process that
            # was killed must have been replaced.
            await self.stack.replaced(fault.victim, pid)
            print(json.dumps({"fault": fault.name, **asdict(kill)}), flush=True)
        return kills


async def _reaches(progress: Count, wanted: int) -> int:
    async with asyncio.timeout(120):
        while True:
            if (now := await progress()) >= wanted:
                return now
            await asyncio.sleep(0.01)


async def _recovers(progress: Count, before: int) -> int:
    """Wait until the progress is beyond `before`; returns the lowest progress seen meanwhile."""
    lowest = before
    async with asyncio.timeout(300):
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                now = await progress()
                if now > before:
                    return lowest
                lowest = min(lowest, now)
            await asyncio.sleep(0.02)


async def _parsed(tenant: Tenant) -> int:
    return sum(path.suffix == ".arrow" for path in tenant.stored_files())


async def _committed(tenant: Tenant, job_id: str) -> int:
    return (await ledger(tenant, job_id)).committed


async def _redone(tenant: Tenant, job_id: str) -> int:
    return (await ledger(tenant, job_id)).redone


async def run(faults: list[Fault], file: Path, count: int, seed: int) -> None:
    """Run one campaign on a new service; prints the summary."""
    with tempfile.TemporaryDirectory(prefix="firelater-faults-") as home:
        async with running(Path(home)) as stack:
            campaign = Campaign(stack, file, -(-count // CHUNK_ROWS), random.Random(seed))
            expected = await campaign.undisturbed()
            assert expected.ids == count, expected
            summary: dict[str, Any] = {"name": "faults", "rows": count, "seed": seed}
            for fault in faults:
                summary[fault.name] = (await campaign.disturb(fault, expected)).summary()
            print(json.dumps(summary))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    names = {fault.name: fault for fault in FAULTS}
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(names))
    parser.add_argument("--rows", type=int, default=500_000, help="rows of each import")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments of kills")
    cache = Path(tempfile.gettempdir()) / "firelater-benchmarks"
    parser.add_argument("--cache", type=Path, default=cache, help="where exports are kept")
    asked = parser.parse_args()
    if unknown := set(asked.faults) - names.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [names[each] for each in asked.faults or names]
    fewest = CHUNK_ROWS * (_MARGIN + max(fault.kills for fault in chosen))
    if asked.rows < fewest:
        parser.error(f"with so many kills, an import needs {fewest:,} rows or more")
    file = export(asked.cache, "csv", asked.rows)
    asyncio.run(run(chosen, file, asked.rows, asked.seed))


if __name__ == "__main__":
    main()
