"""A memory limit for a worker and the processes that it starts, by a control group as containers
have."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.report import LeftOut

_ROOT = Path("/sys/fs/cgroup")
_EVERY_SECONDS = 0.01


@dataclass(slots=True)
class Confined:
    """The workers in the control group: their process ids, and their peak memory together."""

    version: int
    group: Path
    pids: set[int] = field(default_factory=set)
    peak_bytes: int = 0

    @property
    def deaths(self) -> int:
        """How many workers died and were replaced."""
        return max(0, len(self.pids) - 1)

    def take_in(self, supervisor: psutil.Process) -> None:
        """Put new workers of the supervisor into the group; processes that they start are in it
        too."""
        for child in supervisor.children():
            with suppress(psutil.Error, OSError):
                if child.pid not in self.pids and "worker" in child.cmdline():
                    (self.group / "cgroup.procs").write_text(str(child.pid))
                    self.pids.add(child.pid)

    def sample(self) -> None:
        """Note the anonymous memory. Cached files do not count: the kernel drops them when memory
        is needed."""
        stat = (self.group / "memory.stat").read_text().split()
        name = "total_rss" if self.version == 1 else "anon"
        now = int(stat[stat.index(name) + 1])
        self.peak_bytes = max(self.peak_bytes, now)


@contextmanager
def confined(supervisor_pid: int, limit: int) -> Iterator[Confined]:
    """Limit the workers that the supervisor starts to `limit` bytes together. Raises LeftOut if
    control groups are not allowed here."""
    found = _new_group(limit)
    supervisor, over = psutil.Process(supervisor_pid), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_SECONDS):
            with suppress(psutil.Error):
                found.take_in(supervisor)
            found.sample()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


def remove(found: Confined) -> None:
    """Remove the control group, which must be empty."""
    found.group.rmdir()


def _new_group(limit: int) -> Confined:
    name = f"firelater-heavy-{os.getpid()}"
    version = 2 if (_ROOT / "cgroup.controllers").exists() else 1
    group = _ROOT / name if version == 2 else _ROOT / "memory" / name
    try:
        group.mkdir()
        bound = "memory.max" if version == 2 else "memory.limit_in_bytes"
        (group / bound).write_text(str(limit))
        if version == 2:
            (group / "memory.swap.max").write_text("0")
    except OSError as error:
        raise LeftOut(f"no control group can be made here ({error})") from error
    return Confined(version, group)
