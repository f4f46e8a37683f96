"""`python -m benchmarks.operator [--phase TEXT …] [--act TEXT …]`: what operators can break.

Every act that the Temporal UI and its command line offer is done to an import in every phase, and
to a notification: see tests/operating/. One JSON line for each trial in which something is wrong,
and at the end how many there were.
"""

import argparse
import asyncio
import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from embedded.child import Child, running
from embedded.ports import Ports
from embedded.postgres import Postgres
from tests.operating import imports
from tests.operating.acts import Act, acts
from tests.operating.campaign import Trial, resets, tried, world
from tests.operating.imports import World

_AT_ONCE = 4


@asynccontextmanager
async def _world(home: Path) -> AsyncIterator[World]:
    ports = Ports(home / "ports.json")
    (home / "logs").mkdir()
    server = Postgres(home, ports.take("postgres", 0), durable=False)
    async with (
        running(Child(await server.program())),
        world(home, ports, server.dsn, "operated") as made,
    ):
        yield made


async def _plan(world: World, phases: list[str], wanted: list[str]) -> list[tuple[str, Act]]:
    found = [(phase, act) for phase in phases for act in [*acts(), *await resets(world, phase)]]
    return [each for each in found if not wanted or any(w in each[1].name for w in wanted)]


async def _tried(world: World, phase: str, act: Act, room: asyncio.Semaphore) -> Trial:
    async with room:
        try:
            trial = await tried(world, phase, act)
        except Exception as error:
            trial = Trial(phase, act.name, "", [f"{type(error).__name__}: {error}"])
    if trial.problems:  # at once: a campaign is long
        print(json.dumps(asdict(trial)), flush=True)
    return trial


async def main(phases: list[str], wanted: list[str]) -> None:
    chosen = [each for each in imports.PHASES if not phases or any(p in each for p in phases)]
    began, room = time.monotonic(), asyncio.Semaphore(_AT_ONCE)
    with tempfile.TemporaryDirectory() as home:
        async with _world(Path(home)) as made:
            plan = await _plan(made, chosen, wanted)
            trials = await asyncio.gather(*(_tried(made, *each, room) for each in plan))
    wrong = sum(bool(each.problems) for each in trials)
    ends = Counter(each.status for each in trials)
    summary = {"trials": len(trials), "wrong": wrong, "ends": ends}
    print(json.dumps(summary | {"seconds": round(time.monotonic() - began)}), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level="ERROR")
    parser = argparse.ArgumentParser()
    parser.add_argument("--phase", action="append", default=[])
    parser.add_argument("--act", action="append", default=[])
    arguments = parser.parse_args()
    asyncio.run(main(arguments.phase, arguments.act))
