"""An S3 server of our own: the gateway of juicefs over a folder."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from storage import bucket
from storage.location import S3Location

JUICEFS = Path(sys.executable).with_name("juicefs")
START_SECONDS = 30


@contextmanager
def gateway(folder: Path) -> Iterator[S3Location]:
    """A running server with an empty bucket."""
    secret = secrets.token_hex(16)
    address = f"127.0.0.1:{_free_port()}"
    location = S3Location("firelater", f"http://{address}", "us-east-1", "tests", secret)
    volume = f"sqlite3://{folder / 'meta.db'}"
    blocks = f"{folder / 'blocks'}/"
    subprocess.run(
        [JUICEFS, "format", "--bucket", blocks, "--trash-days", "0", volume, "objects"],
        check=True,
        capture_output=True,
    )
    server = _gateway(
        *("--multi-buckets", "--keep-etag", "--object-meta", "--no-usage-report"),
        *("--log", str(folder / "log"), "--cache-dir", str(folder / "cache")),
        *("--metrics", "127.0.0.1:0", "--backup-meta", "0", volume, address),
        secret=secret,
    )
    try:
        _await_ready(f"http://{address}/minio/health/ready")
        asyncio.run(bucket.create(location))
        yield location
    finally:
        server.terminate()
        server.wait()


def _gateway(*arguments: str, secret: str) -> "subprocess.Popen[bytes]":
    login = {"MINIO_ROOT_USER": "tests", "MINIO_ROOT_PASSWORD": secret}
    quiet = subprocess.DEVNULL
    command = [str(JUICEFS), "gateway", *arguments]
    return subprocess.Popen(command, env=os.environ | login, stdout=quiet, stderr=quiet)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urlopen(url, timeout=1).close()
        except (URLError, OSError):
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"{url} did not answer")
