"""Runs `firelater up` on a new data directory for as long as a benchmark takes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands.client import Api
from domain.tenant import TenantId
from settings import Settings

_START_SECONDS = 180
_slugs = count(1)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A new tenant: a client of the API with its key, and its schema in the database."""

    api: Api
    schema: str
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A running service: PostgreSQL, Temporal, local storage, the API and workers. `worker_pid` is
    the first worker's."""

    api: str
    postgres: str
    temporal: str
    admin_key: str
    api_pid: int
    worker_pid: int

    def new_tenant(self) -> Tenant:
        admin = Api(self.api, self.admin_key)
        slug = f"bench-{next(_slugs)}"
        created = admin.post("/v1/tenants", {"slug": slug, "name": slug})
        schema = TenantId(created["data"]["id"]).schema
        key = created["apiKey"]
        return Tenant(Api(self.api, key), schema, self.api, key)


@contextmanager
def stack(workers: int = 1, **settings: str) -> Iterator[Stack]:
    """Start the service with empty data on free ports; stop it and delete the data afterwards.

    `settings` are further environment variables. Raises RuntimeError if it does not start.
    """
    with TemporaryDirectory(prefix="firelater-bench-") as home:
        ready_file = Path(home) / "ready.json"
        command = [
            sys.executable,
            "-m",
            "cli",
            "up",
            "--workers",
            str(workers),
            "--storage",
            "local",
        ]
        command += ["--data-dir", home, "--ready-file", str(ready_file)]
        process = subprocess.Popen(
            command, env=_environment() | settings, stdout=subprocess.DEVNULL
        )
        try:
            yield _described(_ready(process, ready_file))
        finally:
            process.terminate()
            process.wait(90)


def _environment() -> dict[str, str]:
    """Our environment without settings of the service, which could lead to other servers."""
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in ours}


def _ready(process: subprocess.Popen[bytes], file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists():
            ready: dict[str, Any] = json.loads(file.read_text())
            return ready
        time.sleep(0.1)
    raise RuntimeError("the service did not start; it says why above")


def _described(ready: dict[str, Any]) -> Stack:
    return Stack(
        api=ready["api"],
        postgres=ready["postgres"],
        temporal=ready["temporal"],
        admin_key=Path(ready["admin_key_file"]).read_text().strip(),
        api_pid=ready["pids"]["api"],
        worker_pid=ready["pids"]["workers"][0],
    )
