"""The file with the key ring: read when it changes, replaced at once, kept from others' eyes."""

import fcntl
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

from domain.keyring import KEY_BYTES, Keyring
from storage.private_file import write_private

_log = logging.getLogger(__name__)


class BadKeyFile(Exception):
    """The key ring cannot be used as it is; the text names the file and what to do."""


class KeyFile:
    """Raises BadKeyFile wherever the file cannot be read, trusted or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp, self._keyring = _stamp(path), _parse(path)

    def current(self) -> Keyring:
        """The ring as the file has it now; while that is unusable, the last one that was not."""
        try:
            stamp = _stamp(self.path)
            if stamp != self._stamp:
                self._keyring, self._stamp = _parse(self.path), stamp
        except BadKeyFile as error:
            _log.warning("the key ring of before is still used: %s", error)
        return self._keyring

    def change(self, edit: Callable[[str], str]) -> None:
        """Replace the text, durably and at once. Changes wait for each other."""
        try:
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(directory, fcntl.LOCK_EX)
                write_private(self.path, edit(self.path.read_text()))
            finally:
                os.close(directory)
        except OSError as error:
            raise BadKeyFile(f"cannot write the key ring {self.path}: {error.strerror}") from None


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes with the file."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadKeyFile(f"cannot read the key ring {path}: {error.strerror}") from None
    # As ssh does with private keys: a file that is not ours, such as a mounted secret, is for
    # somebody else to protect.
    if found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) & 0o077:
        raise BadKeyFile(f"others may read the key ring {path}: chmod 600 it")
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _parse(path: Path) -> Keyring:
    try:
        return Keyring.parse(path.read_text(), path.name)
    except OSError as error:
        raise BadKeyFile(f"cannot read the key ring {path}: {error.strerror}") from None
    except ValueError as error:
        raise BadKeyFile(str(error)) from None
