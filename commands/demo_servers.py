"""Runs the whole service and the vendors' stand-ins as child processes, for the demo."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from commands.client import Json, Refused

_START_SECONDS = 180
_STOP_SECONDS = 60

Ready = Json  # the content of a child's ready file


@contextmanager
def servers(data_dir: Path, console: Console) -> Iterator[tuple[Ready, Ready]]:
    """The ready files of the service and of the receivers, while both run.

    The receivers start first: the service needs their addresses, in EGRESS_ALLOW, to call them.
    Raises Refused if one of them does not start.
    """
    with _child("receivers", ["receivers", "up"], quiet=True) as receivers:
        up = ["up", "--storage", "s3", "--data-dir", str(data_dir)]
        allow = f"EGRESS_ALLOW={receivers['egressAllow']}"
        with _child("stack", up, environment=[allow]) as stack:
            yield stack, receivers
            console.print("Stopping …")


@contextmanager
def _child(
    name: str, arguments: Sequence[str], environment: Sequence[str] = (), *, quiet: bool = False
) -> Iterator[Ready]:
    """Run a `firelater` command as a child: its ready file once it is ready; stopped at the end."""
    output = subprocess.DEVNULL if quiet else None
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder) / f"{name}.json"
        command = [sys.executable, "-m", "cli", *arguments, "--ready-file", str(ready_file)]
        child = subprocess.Popen(["env", *environment, *command], stdout=output)
        try:
            yield _ready(name, child, ready_file)
        finally:
            child.terminate()
            child.wait(_STOP_SECONDS)


def _ready(name: str, child: subprocess.Popen[bytes], ready_file: Path) -> Ready:
    """The child's ready file. Raises Refused if the child ends or is not ready in time."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise Refused(f"the {name} did not start; the reason is above")
        if ready_file.exists():
            ready: Ready = json.loads(ready_file.read_text())
            return ready
        time.sleep(0.1)
    raise Refused(f"the {name} is not ready after {_START_SECONDS} seconds")
