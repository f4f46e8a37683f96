"""Chooses the port of each server: the one that it had last, its usual one, or any free one."""

import json
import socket
from pathlib import Path
from random import SystemRandom

from embedded import CannotStart
from storage.private_file import write_private

# Below the ports that Linux gives to outgoing connections (from 32768), which come and go.
_SPARE = range(20_000, 32_768)


class Ports:
    """The ports of one data directory; a file keeps them, so that servers get the same ones again
    if these are free."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._taken: dict[str, int] = {}

    def take(self, name: str, usual: int) -> int:
        """A free port for the server `name`, the same one at every call. `usual` is its usual port;
        0 if it has none. Raises CannotStart."""
        if name in self._taken:
            return self._taken[name]
        key = f"{name}:{usual}"  # if `usual` changes, the port kept before is not used again
        wanted = (self._ports.get(key, usual), usual, *SystemRandom().sample(_SPARE, 100))
        port = next((port for port in wanted if port and self._is_free(port)), None)
        if port is None:
            raise CannotStart(f"no free port for {name}")
        self._taken[name] = port
        self._ports[key] = port
        write_private(self._file, json.dumps(self._ports))
        return port

    def _is_free(self, port: int) -> bool:
        if port in self._taken.values():
            return False
        with socket.socket() as probe:
            # The servers set this option as well: a port counts as free although closed
            # connections to it linger (TIME_WAIT).
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True
