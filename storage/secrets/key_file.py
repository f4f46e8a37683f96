"""The file with the key ring: read again when it changes, replaced atomically, readable by its
owner only."""

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
    """The key ring cannot be used; the message says what is wrong with it."""


class KeyFile:
    """A key ring on disk. Its creation raises BadKeyFile if the file cannot be read, is not a key
    ring, or may be read by others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp, self._keyring = _stamp(path), _parse(path)

    def current(self) -> Keyring:
        """The key ring in the file now; while the file is unusable, the last usable one."""
        try:
            stamp = _stamp(self.path)
            if stamp != self._stamp:
                self._keyring, self._stamp = _parse(self.path), stamp
        except BadKeyFile as error:
            _log.warning("the previous key ring stays in use: %s", error)
        return self._keyring

    def change(self, edit: Callable[[str], str]) -> None:
        """Replace the file's text by `edit(text)`, durably and atomically. Concurrent changes, also
        of other processes, wait for each other. Raises BadKeyFile if the file cannot be written."""
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
    """A value that changes whenever the file does. Raises BadKeyFile if the file is not there, or
    others may read it."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadKeyFile(f"cannot read the key ring {path}: {error.strerror}") from None
    # Like ssh with private keys: only the mode of our own files is checked. A file of another
    # owner, such as a mounted secret, is that owner's to protect.
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
