"""Every environment variable this service reads, typed. Nothing else reads the environment."""

from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One field per environment variable; docs/configuration.md says what each means."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    database_url: SecretStr | None = None
    database_pool_size: int = 10
    admin_key_file: Path = Path("var/bootstrap.key")

    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_ui_url: str | None = None
    temporal_payload_encryption: bool = False
    secrets_keyring_file: Path | None = None

    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_bucket: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_force_path_style: bool = True
    local_storage_dir: Path = Path("var/storage")

    public_url: str | None = None
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    upload_max_bytes: int = 5 * 2**30
    tenant_quota_bytes: int = 50 * 2**30
    migration_ttl_seconds: int = 7 * 24 * 3600
    import_slots: int = 4
    deliver_slots: int = 200
    worker_memory_bytes: int | None = None
    parse_memory_bytes: int = 3 * 2**30
    parse_deadline_seconds: int = 4 * 3600

    egress_allow: str = ""
    egress_proxy: SecretStr | None = None
    egress_proxy_resolves: bool = False
    egress_listed_direct: bool = False
    egress_ca_file: Path | None = None

    firelater_url: str = "http://127.0.0.1:8080"
    firelater_api_key: SecretStr = SecretStr("")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def database_dsn(self) -> str:
        """The URL of the database with its password. Raises ValueError if it is not set."""
        if self.database_url is None:
            raise ValueError("DATABASE_URL is not set")
        return self.database_url.get_secret_value()

    @property
    def payload_keyring(self) -> Path | None:
        """The key ring for Temporal payloads; None if they are not to be encrypted. Raises
        ValueError if they are, and no key ring is set."""
        if self.temporal_payload_encryption and self.secrets_keyring_file is None:
            raise ValueError("TEMPORAL_PAYLOAD_ENCRYPTION needs SECRETS_KEYRING_FILE")
        return self.secrets_keyring_file if self.temporal_payload_encryption else None

    @property
    def own_servers(self) -> tuple[str, ...]:
        """`host:port` of this service's own servers, to which no tenant's URL may lead."""
        database = urlsplit(self.database_url.get_secret_value() if self.database_url else "")
        s3 = urlsplit(self.s3_endpoint or "")
        found = [f"{self.api_host}:{self.api_port}", self.temporal_address]
        if database.hostname:
            found.append(f"{database.hostname}:{database.port or 5432}")
        if s3.hostname:
            found.append(f"{s3.hostname}:{s3.port or (443 if s3.scheme == 'https' else 80)}")
        return (*found, *self._proxy())

    @property
    def egress_route(self) -> tuple[str | None, bool, bool, Path | None]:
        """How calls leave this service: the arguments of `egress.route.Route.parse`."""
        proxy = self.egress_proxy.get_secret_value() if self.egress_proxy else None
        return (
            proxy,
            self.egress_proxy_resolves,
            self.egress_listed_direct,
            self.egress_ca_file,
        )

    def _proxy(self) -> tuple[str, ...]:
        """`host:port` of the proxy; nothing if there is none or its URL is malformed, which
        `Route.parse` then reports."""
        url = self.egress_proxy.get_secret_value() if self.egress_proxy else ""
        try:
            parts = urlsplit(url)
            return (f"{parts.hostname}:{parts.port}",) if parts.hostname and parts.port else ()
        except ValueError:  # not raised, as its message may quote the password
            return ()


@cache
def settings() -> Settings:
    """The settings of this process, read once. The process ends if one of them is not valid."""
    try:
        return Settings()
    except ValidationError as error:
        # Values are not quoted: some are secrets.
        wrong = "; ".join(
            f"{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()
        )
        raise SystemExit(f"{wrong}. docs/configuration.md says which values are valid") from None
