"""What the demo runs on: the whole service and the vendors' endpoints, as children, for a while."""

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

Ready = Json  # what a child says in its ready file


@contextmanager
def servers(data_dir: Path, console: Console) -> Iterator[tuple[Ready, Ready]]:
    """The service and the receivers, which come first: the service has to be told that these may
    be called. Raises Refused if one of them does not start."""
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
    """A `firelater` command that runs until it is told to stop, once it is ready."""
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
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise Refused(f"the {name} did not start; it says why above")
        if ready_file.exists():
            ready: Ready = json.loads(ready_file.read_text())
            return ready
        time.sleep(0.1)
    raise Refused(f"the {name} is not ready after {_START_SECONDS} seconds")
