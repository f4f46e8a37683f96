"""A worker that parses a named pipe's content and prints the id of its child process."""

import asyncio
import sys
from pathlib import Path

import psutil

from sources.sandbox.parent import parsing
from sources.sandbox.protocol import ParseSpec


async def main(pipe: Path) -> None:
    spec = ParseSpec(
        source="generic_csv", format="csv", table="incident", memory_bytes=3 * 2**30, cpu_seconds=60
    )
    async with parsing(spec, pipe) as events:
        (child,) = psutil.Process().children()
        print(child.pid, flush=True)
        async for _ in events:
            pass


asyncio.run(main(Path(sys.argv[1])))
