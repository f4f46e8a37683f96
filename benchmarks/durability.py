"""`python -m benchmarks.durability [--kills N] [--seed N]`: whether imports lose rows when
PostgreSQL crashes.

During small imports of many batches, PostgreSQL is killed (SIGKILL of all its processes) or told to
shut down immediately; often the object store, the worker or both are stopped before, so that the
import stands still. Afterwards a job's numbers must agree with its ledger and its table. Prints one
JSON line for each kill and each import, and a summary. The exit code is 1 if a job lost rows
without saying so.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sources.readers.chunk import CHUNK_ROWS
from tests.faults.crash import (
    How,
    Verdict,
    batches_in,
    crashed,
    forget_longer,
    idle,
    verdict,
    watching,
)
from tests.faults.exports import export
from tests.faults.stack import Name, Rows, Stack, ended, running
from tests.service import Tenant

ROWS, BATCH = 4 * CHUNK_ROWS, 1_000
BATCHES, _PER_CHUNK = ROWS // BATCH, CHUNK_ROWS // BATCH
_KILLS = 3  # at most in one import: noticing a crash also repairs what an earlier one took back
_GAPS: tuple[tuple[Name, ...], ...] = ((), ("s3",), ("worker",), ("s3", "worker"))
_STEADY = 10.5  # if PostgreSQL ran for so many seconds, its supervisor restarts it at once
_HOWS: tuple[How, ...] = ("kill", "immediate")
_LONGEST_GAP = 0.25  # seconds
_UNAVAILABLE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Kind:
    """A file and the options of its import. If ids repeat in the file, the order of batches decides
    which record remains."""

    name: str
    content: bytes
    options: dict[str, Any]


_HALF = ROWS // 2
_TWICE = export(_HALF) + export(_HALF, "Again").partition(b"\n")[2]
KINDS = (
    Kind("each-id-once", export(ROWS), {}),
    Kind("first-wins", _TWICE, {}),
    Kind("last-wins", _TWICE, {"updateExisting": True}),
)


@dataclass(frozen=True, slots=True)
class Kill:
    """One crash of PostgreSQL: after how many batches, how, and which services were `stopped`.

    `forgotten`: how many committed batches the crash took back; None if it could not be counted, as
    the worker went on importing.
    """

    import_no: int
    after_batch: int
    how: How
    stopped: tuple[Name, ...]
    gap_ms: int
    forgotten: int | None
    seconds: float


@dataclass(slots=True)
class Outcome:
    """All kills, and how the imports ended."""

    kills: list[Kill] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    crashed_at: float = 0.0
    lost_rows: int = 0
    jobs_that_do_not_agree: int = 0
    jobs_with_other_content: int = 0

    def add(self, found: Verdict, expected: Rows) -> None:
        self.ends[found.code or found.status] += 1
        if found.status == "completed":
            self.lost_rows += max(0, expected.rows - found.rows.rows)
            self.jobs_with_other_content += found.rows != expected
        self.jobs_that_do_not_agree += not found.agrees

    def summary(self) -> dict[str, Any]:
        return {
            "kills": len(self.kills),
            "kills_that_took_batches_back": sum(bool(kill.forgotten) for kill in self.kills),
            "batches_taken_back": sum(kill.forgotten or 0 for kill in self.kills),
            "by": dict(Counter(kill.how for kill in self.kills)),
            "while": dict(Counter("+".join(kill.stopped) or "busy" for kill in self.kills)),
            "imports": dict(self.ends),
            "lost_rows": self.lost_rows,
            "jobs_that_do_not_agree": self.jobs_that_do_not_agree,
            "jobs_with_other_content": self.jobs_with_other_content,
        }

    @property
    def is_clean(self) -> bool:
        return not (self.lost_rows or self.jobs_that_do_not_agree or self.jobs_with_other_content)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A running service, and the random numbers that decide how it is disturbed."""

    stack: Stack
    chance: random.Random
    outcome: Outcome

    async def run(self, kills: int) -> None:
        expected = {kind.name: await self._undisturbed(kind) for kind in KINDS}
        number = 0
        while len(self.outcome.kills) < kills:
            kind = KINDS[number % len(KINDS)]
            number += 1
            found = await self._disturbed(kind, number, kills - len(self.outcome.kills))
            self.outcome.add(found, expected[kind.name])
            print(json.dumps({"import": number, "kind": kind.name, **asdict(found)}), flush=True)

    async def _undisturbed(self, kind: Kind) -> Rows:
        tenant, job_id = await self._start(kind)
        found = await verdict(tenant, await ended(tenant, job_id))
        assert (found.status, found.agrees) == ("completed", True), found
        return found.rows

    async def _start(self, kind: Kind) -> tuple[Tenant, str]:
        await self.stack.answering()
        tenant = await self.stack.tenant()
        response = await tenant.upload(kind.content)
        job_id: str = response.raise_for_status().json()["job"]["id"]
        await tenant.settled(job_id, "preview")
        await asyncio.sleep(max(0, self.outcome.crashed_at + _STEADY - time.monotonic()))
        await self._execute(tenant, job_id, {"batchSize": BATCH, **kind.options})
        return tenant, job_id

    async def _execute(self, tenant: Tenant, job_id: str, options: dict[str, Any]) -> None:
        """Execute the job as a client would: repeat the request while the service is unavailable. A
        409 means that an earlier request has been accepted."""
        until, path = time.monotonic() + _UNAVAILABLE, f"/v1/migration/{job_id}/execute"
        while (response := await tenant.post(path, options)).status_code == 503:
            assert time.monotonic() < until, response.text
            await asyncio.sleep(1)
        if response.status_code != 409:
            response.raise_for_status()

    async def _disturbed(self, kind: Kind, number: int, most: int) -> Verdict:
        """Import, while PostgreSQL is crashed after random numbers of batches; the last crash may
        come after the last batch, when the job is cleaned up and closed."""
        tenant, job_id = await self._start(kind)
        often = min(self.chance.randint(1, _KILLS), most)
        for after, stopped in sorted(self._drawn() for _ in range(often)):
            kill = await self._kill(tenant, job_id, (after, stopped), number)
            self.outcome.kills.append(kill)
            self.outcome.crashed_at = time.monotonic()
            print(json.dumps(asdict(kill)), flush=True)
        return await verdict(tenant, await ended(tenant, job_id))

    def _drawn(self) -> tuple[int, tuple[Name, ...]]:
        """After which batch to kill, and which services to stop before. The object store is stopped
        only while the import still has chunks to read from it."""
        stopped = self.chance.choice(_GAPS)
        last = BATCHES - 2 * _PER_CHUNK if "s3" in stopped else BATCHES
        return self.chance.randint(1, last), stopped

    async def _kill(
        self, tenant: Tenant, job_id: str, drawn: tuple[int, tuple[Name, ...]], number: int
    ) -> Kill:
        (after, stopped), how = drawn, self.chance.choice(_HOWS)
        gap, begun = self.chance.uniform(0, _LONGEST_GAP), time.monotonic()
        async with watching(tenant, job_id) as watch:
            await watch.reaches(after)
            async with idle(self.stack, watch, stopped):
                await asyncio.sleep(gap)
                before = await watch.batches()
                await crashed(self.stack, how)
                now = await batches_in(tenant, job_id) if stopped else None
        forgotten = None if now is None else before - now
        seconds = round(time.monotonic() - begun, 1)
        return Kill(number, before, how, stopped, round(gap * 1000), forgotten, seconds)


async def run(kills: int, seed: int) -> bool:
    """Run one campaign on a new service; returns whether nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="firelater-durability-") as home:
        async with running(Path(home), storage="s3") as stack:
            await forget_longer(stack)
            campaign = Campaign(stack, random.Random(seed), Outcome())
            began = time.monotonic()
            await campaign.run(kills)
            took = round(time.monotonic() - began)
    named = {"name": "durability", "seed": seed, "seconds": took}
    print(json.dumps(named | campaign.outcome.summary()))
    return campaign.outcome.is_clean


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the random kills")
    asked = parser.parse_args()
    sys.exit(not asyncio.run(run(asked.kills, asked.seed)))


if __name__ == "__main__":
    main()
