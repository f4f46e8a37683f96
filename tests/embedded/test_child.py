"""A supervised child process starts, restarts, stops, and is never left behind."""

import asyncio
import os
import signal
import sys
import textwrap
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import pytest

from embedded import CannotStart
from embedded.child import Child, Program, Usable, run_to_end, running
from tests.embedded.processes import alive, family, until_gone
from tests.until import until

SLEEP = "import time; time.sleep(600)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("deaf", flush=True)
time.sleep(600)
"""


async def at_once(_pid: int) -> None:
    """A child that is ready as soon as it runs."""


async def never(_pid: int) -> None:
    raise ConnectionError("nobody there")


def program(tmp_path: Path, code: str = SLEEP, usable: Usable = at_once) -> Program:
    command = (sys.executable, "-c", code)
    return Program("sample", command, tmp_path / "sample.log", os.environ, usable)


async def restarted(child: Child) -> None:
    came_back = asyncio.Event()
    child.on_restart = came_back.set
    os.kill(child.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        await came_back.wait()


async def test_is_a_group_of_its_own_that_ends_with_the_block(tmp_path: Path) -> None:
    async with running(child := Child(program(tmp_path))):
        assert os.getpgid(child.pid) == child.pid
        assert alive(child.pid)
    assert not alive(child.pid)


async def test_that_dies_at_once_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "sample.log").write_text("a line of the last run\n")
    child = Child(program(tmp_path, "print('no such table'); raise SystemExit(3)", never))
    with pytest.raises(CannotStart, match=r"sample ended with code 3 .*\n  no such table") as dead:
        async with running(child):
            pytest.fail("is not usable")
    assert "last run" not in str(dead.value)


async def test_whose_program_is_missing_is_reported(tmp_path: Path) -> None:
    nothing = Program("sample", ("/no/such/thing",), tmp_path / "log", {}, never)
    with pytest.raises(CannotStart, match="cannot run /no/such/thing: No such file"):
        async with running(Child(nothing)):
            pytest.fail("is not usable")


async def test_that_never_answers_is_given_up_and_stopped(tmp_path: Path) -> None:
    child = Child(replace(program(tmp_path, usable=never), ready_within=0.3))
    with pytest.raises(CannotStart, match=r"not usable within 0\.3 s"):
        async with running(child):
            pytest.fail("is not usable")
    assert not alive(child.pid)


async def test_one_failure_stops_the_others(tmp_path: Path) -> None:
    good = Child(program(tmp_path))
    bad = Child(program(tmp_path, "raise SystemExit(1)", never))
    with pytest.raises(CannotStart):
        async with running(good, bad):
            pytest.fail("is not usable")
    assert not alive(good.pid)


async def test_comes_back_after_each_death(tmp_path: Path) -> None:
    async with running(child := Child(program(tmp_path))):
        seen = {child.pid}
        for _ in range(3):
            await restarted(child)
            seen.add(child.pid)
        assert len(seen) == 4
        assert alive(child.pid)
    assert not any(map(alive, seen))


async def test_that_ignores_the_signal_is_killed_with_its_own_children(tmp_path: Path) -> None:
    log = tmp_path / "sample.log"
    impatient = replace(program(tmp_path, STUBBORN), stop_within=0.2)
    async with running(child := Child(impatient)):
        await until(lambda: "deaf" in log.read_text())
        pids = family(child.pid)
        assert len(pids) == 2
    await until_gone(pids)


async def test_leaves_no_child_behind_when_it_dies_itself(tmp_path: Path) -> None:
    log = tmp_path / "sample.log"
    async with running(child := Child(program(tmp_path, STUBBORN))):
        await until(lambda: "deaf" in log.read_text())
        orphans = family(child.pid)[1:]
        assert orphans
        await restarted(child)
        await until_gone(orphans)


async def test_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    supervisor = textwrap.dedent(f"""
        import asyncio, os, sys
        from pathlib import Path
        from embedded.child import Child, Program, running

        async def at_once(_pid): pass

        async def main():
            command = (sys.executable, "-c", {SLEEP!r})
            child = Child(Program("sample", command, Path("sample.log"), os.environ, at_once))
            async with running(child):
                print(child.pid, flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
    """)
    command = [sys.executable, "-c", supervisor]
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=PIPE)
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    assert alive(pid)
    process.kill()
    await process.wait()
    await until_gone([pid])


async def test_a_command_that_fails_is_reported_with_its_output(tmp_path: Path) -> None:
    code = "print('disk full'); raise SystemExit(1)"
    with pytest.raises(CannotStart, match="disk full"):
        await run_to_end((sys.executable, "-c", code), os.environ, tmp_path)
