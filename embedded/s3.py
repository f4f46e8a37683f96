"""An S3 server over local files: the gateway of JuiceFS (MinIO's S3 API), with its metadata in
SQLite."""

from pathlib import Path

import aioboto3
from botocore.config import Config
from botocore.exceptions import ClientError

from embedded.binaries import program_path
from embedded.child import Program, run_to_end
from embedded.environment import of_server
from embedded.files import kept_secret

USUAL_PORT = 9000
REGION = "us-east-1"
_VOLUME = "firelater"
_METADATA = "sqlite3://metadata.db"
_OWNED = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


class S3:
    """One gateway under `data_dir`, with one bucket."""

    access_key = "firelater"
    bucket = "firelater"

    def __init__(self, data_dir: Path, port: int) -> None:
        self._home = data_dir / "s3"
        self._log = data_dir / "logs" / "s3.log"
        self._port = port
        self.secret_key = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def settings(self) -> dict[str, str]:
        """Environment variables that lead the service to this server; valid once `program` was
        called."""
        return {
            "S3_ENDPOINT": self.endpoint,
            "S3_REGION": REGION,
            "S3_BUCKET": self.bucket,
            "S3_ACCESS_KEY": self.access_key,
            "S3_SECRET_KEY": self.secret_key,
            "S3_FORCE_PATH_STYLE": "true",
        }

    async def program(self) -> Program:
        """The gateway's program; creates its volume the first time. Raises CannotStart."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        self.secret_key = kept_secret(self._home / "secret")
        juicefs = program_path("juicefs")
        environment = of_server(self._home)
        objects = f"--bucket={self._home / 'objects'}/"
        volume = ("--storage=file", objects, "--trash-days=0", "--no-update", _METADATA, _VOLUME)
        await run_to_end((juicefs, "format", *volume), environment, self._home)
        keys = {"MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key}
        return Program(
            name="s3",
            command=(juicefs, "--no-agent", "--no-color", "gateway", objects, *self._options()),
            log=self._log,
            environment={**environment, **keys},
            directory=self._home,
            usable=self._usable,
        )

    def _options(self) -> list[str]:
        return [
            "--multi-buckets",
            "--keep-etag",
            "--object-meta",
            "--no-banner",
            "--no-usage-report",
            "--backup-meta=0",
            "--cache-size=0",  # the objects are local files already
            "--metrics=127.0.0.1:0",
            _METADATA,
            f"127.0.0.1:{self._port}",
        ]

    async def _usable(self, _pid: int) -> None:
        client = aioboto3.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        async with client as s3:
            try:
                await s3.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _OWNED:
                    raise
