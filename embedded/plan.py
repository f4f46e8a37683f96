"""Decides which servers to start, and makes the environment of the API and the workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from embedded import postgres, s3, temporal
from embedded.child import Program
from embedded.environment import of_service
from embedded.files import kept_keyring
from embedded.ports import Ports
from settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `firelater up`."""

    data_dir: Path
    ready_file: Path
    workers: int
    storage: Literal["local", "s3"]

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def admin_key_file(self) -> Path:
        return self.data_dir / "bootstrap.key"


class Server(Protocol):
    """One of the servers that the service needs."""

    async def program(self) -> Program:
        """The program to run. Raises CannotStart."""
        ...

    def settings(self) -> dict[str, str]:
        """Environment variables that lead the service to this server; valid once `program` was
        called."""
        ...


def own_servers(options: Options, settings: Settings, ports: Ports) -> dict[str, Server]:
    """The servers to start, by name: those that the settings do not name; an S3 server only with
    the storage `s3`. A bucket without an endpoint names AWS."""
    servers: dict[str, Server] = {}
    if settings.database_url is None:
        port = ports.take("postgres", postgres.USUAL_PORT)
        servers["postgres"] = postgres.Postgres(options.data_dir, port)
    if not _given(settings, "temporal_address"):
        servers["temporal"] = _temporal(options, settings, ports)
    if options.storage == "s3" and settings.s3_endpoint is None and settings.s3_bucket is None:
        servers["s3"] = s3.S3(options.data_dir, ports.take("s3", s3.USUAL_PORT))
    return servers


def service_environment(
    options: Options, settings: Settings, ports: Ports, servers: Mapping[str, Server]
) -> dict[str, str]:
    """The environment of the API and the workers: ours, completed with what leads to the servers
    that we started."""
    given = of_service()
    if options.storage == "local":
        given = {name: value for name, value in given.items() if not name.startswith("S3_")}
    environment = {
        **given,
        "ADMIN_KEY_FILE": str(options.admin_key_file),
        "API_HOST": settings.api_host,
        "API_PORT": str(ports.take("api", settings.api_port)),
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "TEMPORAL_UI_URL": settings.temporal_ui_url or _usual_ui(settings.temporal_address),
    }
    if settings.secrets_keyring_file is None:
        keyring = kept_keyring(options.data_dir / "secrets.keyring")
        environment["SECRETS_KEYRING_FILE"] = str(keyring)
    if not _given(settings, "local_storage_dir"):
        environment["LOCAL_STORAGE_DIR"] = str(options.data_dir / "storage")
    for server in servers.values():
        environment.update(server.settings())
    return environment


def _temporal(options: Options, settings: Settings, ports: Ports) -> temporal.Temporal:
    port = ports.take("temporal", temporal.USUAL_PORT)
    ui_port = ports.take("temporal_ui", temporal.USUAL_UI_PORT)
    api_port = ports.take("api", settings.api_port)
    codec = f"http://127.0.0.1:{api_port}/codec" if settings.temporal_payload_encryption else None
    return temporal.Temporal(options.data_dir, port, ui_port, settings.temporal_namespace, codec)


def _given(settings: Settings, name: str) -> bool:
    return name in settings.model_fields_set


def _usual_ui(address: str) -> str:
    return f"http://{address.rpartition(':')[0]}:{temporal.USUAL_UI_PORT}"
