"""How much memory a worker may take, and how it is divided.

One part is for chunks, which are mapped in the worker itself within a second each. The other is for
separate processes, which parse or import one file and take minutes. So neither waits for the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from activities.budget import Budget

_MIB = 2**20
PROCESS_BYTES = 3 * 2**30  # the default of PARSE_MEMORY_BYTES (settings.py)
_BASE = 384 * _MIB  # a worker with all modules loaded, its deliveries and its tallies
_ALONE_BASE = 192 * _MIB
_PARSER, _SMALL_PARSER = 512 * _MIB, 192 * _MIB
_MARGIN = 10  # a tenth stays free, for what was not measured
# Each part has at least this, however small the machine: the costliest chunk takes 320 MiB. The
# parser of a 16 MiB record would take 430 MiB; a machine so small refuses it (`resource_limit`).
_LEAST = 384 * _MIB
_CGROUPS = Path("/sys/fs/cgroup")
_V1, _V2 = "memory/memory.limit_in_bytes", "memory.max"


@dataclass(frozen=True, slots=True)
class Memory:
    """The two budgets. `process_bytes`: what one separate process may take. `ahead`: how many
    chunks a job may map before it needs them."""

    chunks: Budget
    processes: Budget
    process_bytes: int
    ahead: int = 2

    def of_parser(self, file_bytes: int) -> int:
        """The bytes to reserve for parsing a file. No accepted file made a parser larger than
        430 MiB (docs/decisions/memory.md), and a small file cannot."""
        return min(self.process_bytes, _PARSER, _SMALL_PARSER + 8 * file_bytes)


def divided(total: int, process_bytes: int) -> Memory:
    """The memory of a worker: `total` bytes for it and all its processes, of which each may take
    at most `process_bytes`."""
    part = max(_LEAST, (total - total // _MARGIN - _BASE) // 2)
    return Memory(Budget(part), Budget(part), min(part, process_bytes))


def memory_alone(process_bytes: int) -> Memory:
    """The memory inside a separate process, which works for one job, one chunk at a time."""
    rest = max(_LEAST, process_bytes - _ALONE_BASE)
    return Memory(Budget(rest), Budget(rest), rest, ahead=0)


def available() -> int:
    """The bytes that this worker may take: the limit of its container; without a limit half of the
    machine's memory, since other programs run there, too."""
    physical = psutil.virtual_memory().total
    limit = min(_limits(Path("/proc/self/cgroup")), default=physical)
    return limit if limit < physical else physical // 2


def _limits(memberships: Path) -> Iterator[int]:
    """The memory limits of this process's control groups (version 1 or 2), from its own up to the
    root. In a container the path may be the host's; then the mount's root is the group."""
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
