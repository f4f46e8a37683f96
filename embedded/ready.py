"""Announces that everything runs: to people by a table, to programs by the ready file (JSON)."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from embedded import CannotStart
from embedded.child import Child
from embedded.plan import Options
from embedded.services import api_url
from storage.private_file import write_private


@dataclass(frozen=True, slots=True)
class Ready:
    """What runs, and where.

    `environment` is that of the API and the workers; `servers` are those that we started, by name.
    """

    options: Options
    environment: Mapping[str, str]
    servers: Mapping[str, Child]
    api: Child
    workers: Sequence[Child]

    @contextlib.contextmanager
    def announced(self) -> Iterator[None]:
        """Write the ready file and print the table. During the block the file is rewritten after
        each restart of a child; at its end the file is removed."""
        children = (*self.servers.values(), self.api, *self.workers)
        for child in children:
            child.on_restart = self._write
        self._write()
        self._show()
        try:
            yield
        finally:
            for child in children:
                child.on_restart = lambda: None
            self.options.ready_file.unlink(missing_ok=True)

    def _write(self) -> None:
        write_private(self.options.ready_file, json.dumps(self._content(), indent=2) + "\n")

    def _show(self) -> None:
        # Addresses with passwords are in the ready file only.
        table = Table(show_header=False, box=None)
        for name in ("api", "console", "temporal", "temporal_ui", "s3", "admin_key_file"):
            table.add_row(name.replace("_", " "), str(self._content()[name] or "-"))
        table.add_row("api docs", f"{api_url(self.environment)}/docs")
        table.add_row("ready file", str(self.options.ready_file))
        Console(soft_wrap=True).print(table, "Ready. Ctrl-C stops everything and keeps the data.")

    def _content(self) -> dict[str, object]:
        url = api_url(self.environment)
        return {
            "api": url,
            "console": f"{url}/console",
            "temporal": self.environment["TEMPORAL_ADDRESS"],
            "temporal_ui": self.environment["TEMPORAL_UI_URL"],
            "postgres": self.environment["DATABASE_URL"],
            "s3": self.environment.get("S3_ENDPOINT"),
            "admin_key_file": str(self.options.admin_key_file),
            "pids": {
                "api": self.api.pid,
                "workers": [worker.pid for worker in self.workers],
                **{name: self._pid(name) for name in ("postgres", "temporal", "s3")},
            },
        }

    def _pid(self, server: str) -> int | None:
        return self.servers[server].pid if server in self.servers else None


def forget(file: Path) -> None:
    """Remove the ready file of an earlier run. Raises CannotStart if a new one cannot be
    written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The attempt writes another file: a program that waits for the ready file would find an
        # empty one.
        probe = file.with_name(f".{file.name}.probe")
        write_private(probe, "")
        probe.unlink()
        file.unlink(missing_ok=True)
    except OSError as error:
        raise CannotStart(f"cannot write the ready file {file}: {error.strerror}") from error
