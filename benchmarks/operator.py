"""`python -m benchmarks.operator [--phase TEXT …] [--act TEXT …]`: whether operators can break
something by Temporal's means.

Every act that the Temporal UI and its command line offer is done to an import, and to a request of
notifications, in every phase (tests/operating/). Prints one JSON line for each trial that went
wrong, one for each phase, and a summary.
"""

import argparse
import asyncio
import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from embedded.child import Child, running
from embedded.ports import Ports
from embedded.postgres import Postgres
from tests.operating import imports, requests
from tests.operating.acts import acts
from tests.operating.campaign import Trial, resets, tried, world
from tests.operating.imports import World

_AT_ONCE = 8
_OF_REQUESTS = "notification/"
Try = Callable[[], Coroutine[Any, Any, Trial]]


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


async def _plan(world: World, phase: str) -> list[tuple[str, Try]]:
    """The acts to try in the phase: a name, and what to call for the trial."""
    if phase.startswith(_OF_REQUESTS):
        return list(_plan_of_request(world, phase))
    found = [act for act in acts() if not (act.of_activity and phase in imports.AT_REST)]
    found += await resets(world, phase)
    return [(act.name, partial(tried, world, phase, act)) for act in found]


def _plan_of_request(world: World, phase: str) -> Iterable[tuple[str, Try]]:
    inner = phase.removeprefix(_OF_REQUESTS)

    def trying(act: str, number: int | None = None) -> Try:
        async def do() -> Trial:
            problems = await requests.tried(world, inner, act, number)
            return Trial(phase, name, "", problems)

        name = act if number is None else f"{act} to task {number}"
        return do

    yield from ((act, trying(act)) for act in requests.ACTS)
    yield from ((f"reset to task {n}", trying("reset", n)) for n in range(requests.TASKS))


async def _judged(phase: str, act: str, do: Try, room: asyncio.Semaphore) -> tuple[Trial, float]:
    async with room:
        began = time.monotonic()
        try:
            trial = await do()
        except Exception as error:
            trial = Trial(phase, act, "", [f"{type(error).__name__}: {error}"])
    if trial.problems:  # printed at once, as a campaign is long
        print(json.dumps(asdict(trial)), flush=True)
    return trial, time.monotonic() - began


def _print_summary(trials: list[Trial], **more: Any) -> None:
    wrong, ends = sum(bool(each.problems) for each in trials), Counter(t.status for t in trials)
    print(json.dumps({"trials": len(trials), "wrong": wrong, "ends": ends, **more}), flush=True)


async def _fails(error: Exception) -> Trial:
    raise error


async def _phase(
    world: World, phase: str, wanted: list[str], room: asyncio.Semaphore
) -> list[Trial]:
    async with room:
        began = time.monotonic()
        try:
            plan = await _plan(world, phase)
        except Exception as error:
            plan = [("plan", partial(_fails, error))]
        plan = [each for each in plan if _is_wanted(each[0], wanted)]
    done = await asyncio.gather(*(_judged(phase, name, do, room) for name, do in plan))
    trials = [trial for trial, _ in done]
    slowest = max(((round(s, 1), trial.act) for trial, s in done), default=None)
    seconds = round(time.monotonic() - began)
    _print_summary(trials, phase=phase, seconds=seconds, slowest=slowest)
    return trials


def _is_wanted(name: str, wanted: list[str]) -> bool:
    return not wanted or any(each in name for each in wanted)


async def main(phases: list[str], wanted: list[str]) -> None:
    every = [*imports.PHASES, *(_OF_REQUESTS + each for each in requests.PHASES)]
    chosen = [each for each in every if _is_wanted(each, phases)]
    began, room = time.monotonic(), asyncio.Semaphore(_AT_ONCE)
    with tempfile.TemporaryDirectory() as home:
        async with _world(Path(home)) as made:
            done = await asyncio.gather(*(_phase(made, each, wanted, room) for each in chosen))
    seconds = round(time.monotonic() - began)
    _print_summary(list(chain(*done)), phases=len(chosen), seconds=seconds)


if __name__ == "__main__":
    logging.basicConfig(level="ERROR")
    parser = argparse.ArgumentParser()
    parser.add_argument("--phase", action="append", default=[])
    parser.add_argument("--act", action="append", default=[])
    arguments = parser.parse_args()
    asyncio.run(main(arguments.phase, arguments.act))
