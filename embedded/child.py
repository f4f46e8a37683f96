"""A supervised child process: started, restarted when it dies, stopped, and never left behind."""

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded import CannotStart
from embedded.tether import tethered

_POLL = 0.1
_FIRST_DELAY, _LAST_DELAY = 0.2, 30.0
_STEADY = 10.0  # a child that lived for longer is not in a crash loop
_SHOWN_LINES = 15

Usable = Callable[[int], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run, and how to find out whether it works; times in seconds.

    `usable` gets the process id; it asks the server, creates what is missing, and raises as long as
    the server cannot be used. `death_signal` is sent by the kernel when this process dies.
    `keep_open` are file descriptors that the child inherits.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]
    usable: Usable
    directory: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    ready_within: float = 60
    stop_within: float = 10
    keep_open: tuple[int, ...] = ()


class Child:
    """Keeps one program running. `on_restart` is called after each restart, when `pid` is new."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.on_restart: Callable[[], None] = lambda: None
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id of the program itself; a restart changes it."""
        return self._running().pid

    async def start(self) -> None:
        """Start the program without waiting for it to be usable."""
        program = self.program
        program.log.parent.mkdir(exist_ok=True)
        with program.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *tethered(program.command, program.death_signal),
                env=program.environment,
                cwd=program.directory,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                process_group=0,
                pass_fds=program.keep_open,
            )

    async def ready(self) -> None:
        """Wait until the program is usable; from then on it is restarted when it dies.

        Raises CannotStart, with the end of the program's log, if it dies or takes too long.
        """
        try:
            async with asyncio.timeout(self.program.ready_within):
                await self._until_usable()
        except TimeoutError:
            seconds = self.program.ready_within
            raise CannotStart(self._with_log(f"was not usable within {seconds:g} s")) from None
        self._watch = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Ask the program to stop, and kill it if it takes too long. Whatever is left of its
        process group is killed in either case."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.program.stop_signal)
        try:
            async with asyncio.timeout(self.program.stop_within):
                await self._process.wait()
        except TimeoutError:
            log.warning("%s did not stop in time and is killed", self.program.name)
        finally:
            self._kill_group()
        await self._process.wait()

    async def _until_usable(self) -> None:
        while True:
            if (code := self._running().returncode) is not None:
                raise CannotStart(self._with_log(_ended(code)))
            try:
                return await self.program.usable(self.pid)
            except Exception as error:  # any failure means: not yet
                log.debug("%s is not usable yet: %r", self.program.name, error)
            await asyncio.sleep(_POLL)

    async def _keep_running(self) -> None:
        delay = _FIRST_DELAY
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            code = await self._running().wait()
            self._kill_group()
            if clock() - started > _STEADY:
                delay = _FIRST_DELAY
            log.warning("%s; it is started again", self._with_log(_ended(code), lines=3))
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_DELAY)
            await self._restart()

    async def _restart(self) -> None:
        try:
            await self.start()
        except OSError as error:
            log.warning("%s could not be started: %s", self.program.name, error)
        else:
            self.on_restart()

    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self.program.name} has not been started")
        return self._process

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _with_log(self, what: str, lines: int = _SHOWN_LINES) -> str:
        """The sentence "<name> <what>", followed by the last lines of the program's log."""
        with self.program.log.open("rb") as output:
            output.seek(self._log_start)
            last = output.read().decode(errors="replace").splitlines()[-lines:]
        return "\n  ".join([f"{self.program.name} {what} (log: {self.program.log})", *last])


@contextlib.asynccontextmanager
async def running(*children: Child) -> AsyncIterator[None]:
    """Run the children side by side: all are usable when the block begins, are restarted when they
    die, and are stopped when it ends. Raises CannotStart."""
    try:
        for child in children:
            await child.start()
        for child in children:
            await child.ready()
        yield
    finally:
        await asyncio.gather(*(child.stop() for child in reversed(children)))


async def run_to_end(command: tuple[str, ...], environment: Mapping[str, str], where: Path) -> None:
    """Run a command that ends by itself. Raises CannotStart, with its output, if it fails."""
    process = await asyncio.create_subprocess_exec(
        *tethered(command, signal.SIGKILL),
        env=environment,
        cwd=where,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        process_group=0,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise CannotStart(f"{command[0]} failed:\n{output.decode(errors='replace').strip()}")


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
