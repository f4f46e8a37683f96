"""The limits of a process that reads an uploaded file, and its end together with its parent."""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_NICENESS = 5  # the worker's own loop comes first


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a process may use; None means no limit.

    `data_bytes` bounds the memory that it really takes, give or take some threads' stacks
    (RLIMIT_DATA counts private writable pages); `address_bytes` (RLIMIT_AS) also counts address
    space that libraries only reserve.
    """

    data_bytes: int
    address_bytes: int | None = None
    cpu_seconds: int | None = None


def confine(bounds: Bounds) -> None:
    """Limit this process for good: memory, CPU time, no core dump, lower priority. If the machine
    runs out of memory all the same, the kernel ends this process first, and not the worker."""
    for kind, limit in (
        (resource.RLIMIT_DATA, bounds.data_bytes),
        (resource.RLIMIT_AS, bounds.address_bytes),
        (resource.RLIMIT_CPU, bounds.cpu_seconds and bounds.cpu_seconds + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        if limit is not None:
            _, hard = resource.getrlimit(kind)
            bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            # The soft limit sends SIGXCPU, which tells the cause; the hard one only SIGKILL.
            soft = max(1, bound - 1) if kind == resource.RLIMIT_CPU else bound
            resource.setrlimit(kind, (soft, bound))
    os.nice(_NICENESS)
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends (prctl(2)).

    Linux only. Ends the process at once if the parent is gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("the parent ended first")
