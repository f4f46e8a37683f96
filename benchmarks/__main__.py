"""`python -m benchmarks [NAME …] [--rows N] [--repeat N] [--cache DIR]`."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks.fanout import fanout, peer_apprise
from benchmarks.formats import import_csv, import_json, import_xml
from benchmarks.growth import growth
from benchmarks.isolation import isolation
from benchmarks.latency import latency
from benchmarks.memory import memory
from benchmarks.peer import peer_dlt
from benchmarks.plan import Plan
from benchmarks.report import LeftOut, Line, show

BENCHMARKS: dict[str, Callable[[Plan], Line]] = {
    run.__name__: run
    for run in (
        *(import_csv, growth, memory, import_json, import_xml, peer_dlt),
        *(fanout, peer_apprise, latency, isolation),
    )
}


def main() -> None:
    """Run the benchmarks that were asked for, one after another."""
    asked = _arguments()
    plan = Plan(cache=asked.cache, rows=asked.rows, repeat=asked.repeat)
    lines: list[Line] = []
    for name in asked.names or BENCHMARKS:
        try:
            line = BENCHMARKS[name](plan)
        except LeftOut as reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
            continue
        lines.append(line)
        print(line.as_json(), flush=True)
    show(lines, Console())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rows", type=int, help="rows or notifications of each run")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "firelater-benchmarks",
        help="where generated exports are kept (default: %(default)s)",
    )
    asked = parser.parse_args()
    if unknown := set(asked.names) - BENCHMARKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return asked


if __name__ == "__main__":
    main()
