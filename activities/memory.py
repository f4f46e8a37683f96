"""How much memory a worker may take, and how it divides it.

One part is for chunks that are mapped in the worker itself, for a second each; one for processes
that have a file for themselves, for minutes. So neither waits for the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from activities.budget import Budget

_MIB = 2**20
PROCESS_BYTES = 3 * 2**30
_BASE = 384 * _MIB  # what a worker takes with everything loaded, deliveries and tallies
_ALONE_BASE = 192 * _MIB
_PARSER, _SMALL_PARSER = 512 * _MIB, 192 * _MIB
_MARGIN = 10  # one part in so many is left for what nobody has measured
# Each part has at least this, however small the machine: the dearest chunk takes 320 MiB. A record
# of 16 MiB would take its parser 430; there it is refused (`resource_limit`).
_LEAST = 384 * _MIB
_CGROUPS = Path("/sys/fs/cgroup")
_V1, _V2 = "memory/memory.limit_in_bytes", "memory.max"


@dataclass(frozen=True, slots=True)
class Memory:
    """The two parts; `process_bytes` is what one process of its own may take. `ahead` bounds how
    many chunks a job has mapped before they are asked for."""

    chunks: Budget
    processes: Budget
    process_bytes: int
    ahead: int = 2

    def of_parser(self, file_bytes: int) -> int:
        """What to hold for the parser of a file: no file that is accepted was seen to make it
        larger than 430 MiB, and a small one cannot."""
        return min(self.process_bytes, _PARSER, _SMALL_PARSER + 8 * file_bytes)


def divided(total: int, process_bytes: int) -> Memory:
    """The memory of a worker that may take `total` with all its processes, of which one may take
    at most `process_bytes`."""
    part = max(_LEAST, (total - total // _MARGIN - _BASE) // 2)
    return Memory(Budget(part), Budget(part), min(part, process_bytes))


def memory_alone(process_bytes: int) -> Memory:
    """The memory inside a process that works for one job alone: one chunk at a time."""
    rest = max(_LEAST, process_bytes - _ALONE_BASE)
    return Memory(Budget(rest), Budget(rest), rest, ahead=0)


def available() -> int:
    """What this machine, or this container, lets us take: its limit, or without one half of the
    memory there is, as other programs live there."""
    limits = [*_limits(Path("/proc/self/cgroup"))]
    physical = psutil.virtual_memory().total
    return min((*limits, physical)) if limits and min(limits) < physical else physical // 2


def _limits(memberships: Path) -> Iterator[int]:
    """The limits of the control groups that this process is in, of either version, up to the
    root. In a container the path may be the host's: then the mount's own root is the group."""
    if not memberships.exists():
        return
    for line in memberships.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        tree, name = (_V1 if controllers else _V2).rpartition("/")[::2]
        root = _CGROUPS / tree
        group = root / path.lstrip("/")
        for place in (group, *group.parents):
            if place.is_relative_to(root) and (place / name).exists():
                text = (place / name).read_text().strip()
                if text.isdecimal():
                    yield int(text)
