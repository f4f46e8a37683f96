"""Temporal's development server with its Web UI, on a SQLite file that survives restarts."""

from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client

from embedded.binaries import program_path
from embedded.child import Program
from embedded.environment import of_server

USUAL_PORT, USUAL_UI_PORT = 7233, 8233
SEARCH_ATTRIBUTES = ("TenantId", "JobKind", "Phase")
# How long ended workflows can be looked at. The server's default of one day is too short to find
# out what happened.
_RETENTION = timedelta(days=30)
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}
_DYNAMIC_CONFIG = {
    "matching.enableFairness": "true",
    # Priority and fairness are exact on a single partition only; the default is four.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # This server has one shard, and reads its queues 20 times a second by default. Every step of a
    # workflow would then wait up to 50 ms for the next read (measured at 20 workflows a second: a
    # workflow's first activity starts after 110 ms instead of 12).
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
}


class Temporal:
    """One Temporal server under `data_dir`, with one namespace.

    `codec`: the URL of the service that decrypts payloads for the Web UI.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        ui_port: int,
        namespace: str = "default",
        codec: str | None = None,
    ) -> None:
        self._home = data_dir / "temporal"
        self._log = data_dir / "logs" / "temporal.log"
        self._port, self._ui_port = port, ui_port
        self._namespace = namespace
        self._codec = codec

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def settings(self) -> dict[str, str]:
        """Environment variables that lead the service to this server."""
        return {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": self._namespace,
            "TEMPORAL_UI_URL": f"http://127.0.0.1:{self._ui_port}",
        }

    async def program(self) -> Program:
        """The server's program. Raises CannotStart."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        return Program(
            name="temporal",
            command=(program_path("temporal"), "server", "start-dev", *self._options()),
            log=self._log,
            environment=of_server(self._home),
            directory=self._home,
            usable=self._usable,
        )

    def _options(self) -> list[str]:
        return [
            "--ip=127.0.0.1",
            f"--port={self._port}",
            f"--ui-port={self._ui_port}",
            f"--namespace={self._namespace}",
            "--db-filename=temporal.db",
            *([f"--ui-codec-endpoint={self._codec}"] if self._codec else []),
            *(f"--sqlite-pragma={name}={value}" for name, value in _PRAGMAS.items()),
            *(f"--dynamic-config-value={key}={value}" for key, value in _DYNAMIC_CONFIG.items()),
            *(f"--search-attribute={name}=Keyword" for name in SEARCH_ATTRIBUTES),
        ]

    async def _usable(self, _pid: int) -> None:
        client = await Client.connect(self.address, namespace=self._namespace)
        named = DescribeNamespaceRequest(namespace=self._namespace)
        known = await client.workflow_service.describe_namespace(named)
        retention = Duration(seconds=int(_RETENTION.total_seconds()))
        if known.config.workflow_execution_retention_ttl != retention:
            config = NamespaceConfig(workflow_execution_retention_ttl=retention)
            update = UpdateNamespaceRequest(namespace=self._namespace, config=config)
            await client.workflow_service.update_namespace(update)
