"""Secrets in files of the data directory, and the lock on that directory."""

import base64
import contextlib
import fcntl
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from embedded import CannotStart
from storage.private_file import write_private


def kept_secret(path: Path) -> str:
    """The secret in the file, 32 hexadecimal digits; made and stored the first time."""
    if not path.exists():
        write_private(path, secrets.token_hex(16))
    return path.read_text()


def kept_keyring(path: Path) -> Path:
    """The path of the key ring, a file with lines `id: base64`; made the first time."""
    if not path.exists():
        write_private(path, f"k1: {base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    return path


@contextlib.contextmanager
def claimed(data_dir: Path, patience: float = 5) -> Iterator[int]:
    """Lock the data directory, which is created if it is missing; yields the lock's descriptor.

    Children inherit the descriptor, so the lock is held until the last of them has ended. After a
    crash the next start waits, up to `patience` seconds, for servers that are still stopping.
    Raises CannotStart.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "lock").open("a+")
    except OSError as error:
        raise CannotStart(f"cannot use {data_dir} as data directory: {error.strerror}") from error
    with file:
        _lock(file.fileno(), data_dir, time.monotonic() + patience)
        yield file.fileno()


def _lock(descriptor: int, data_dir: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"{data_dir} is in use by another `firelater up`; stop it first"
                raise CannotStart(f"{message}, or choose another --data-dir") from None
            time.sleep(0.1)
