"""Which port each server listens on: the last one, the usual one, or a free one."""

import json
import socket
from pathlib import Path
from random import SystemRandom

from embedded import CannotStart
from storage.private_file import write_private

# Below those that Linux hands out to outgoing connections (32768 up), which come and go.
_SPARE = range(20_000, 32_768)


class Ports:
    """The ports of one data directory, kept in a file so that they stay the same when free."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._taken: dict[str, int] = {}

    def take(self, name: str, usual: int) -> int:
        """A port that nobody listens on, the same one when asked again. Raises CannotStart."""
        if name in self._taken:
            return self._taken[name]
        key = f"{name}:{usual}"  # another usual port is another wish
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
            # As the servers do it: a port is free although old connections to it linger.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True
