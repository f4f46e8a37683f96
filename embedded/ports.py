"""Which port each server listens on: the last one, the usual one, or a free one."""

import json
import socket
from pathlib import Path

from embedded import CannotStart
from embedded.files import write_private


class Ports:
    """The ports of one data directory, kept in a file so that they stay the same when free."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._taken: set[int] = set()

    def take(self, name: str, usual: int) -> int:
        """A port that nobody listens on. Raises CannotStart if there is none."""
        key = f"{name}:{usual}"  # another usual port is another wish
        wanted = (self._ports.get(key, usual), usual, 0)
        port = next(filter(None, map(self._free, wanted)), None)
        if port is None:
            raise CannotStart(f"no free port for {name}")
        self._taken.add(port)
        self._ports[key] = port
        write_private(self._file, json.dumps(self._ports))
        return port

    def _free(self, port: int) -> int | None:
        if port in self._taken:
            return None
        with socket.socket() as probe:
            # As the servers do it: a port is free although old connections to it linger.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return None
            return int(probe.getsockname()[1])
