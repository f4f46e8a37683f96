"""A bucket on an S3 server; translates the server's errors."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import md5
from typing import Any

import aioboto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from settings import settings
from storage.objects.location import S3Location, s3_location
from storage.objects.store import ObjectChanged, ObjectNotFound, StorageUnavailable


@asynccontextmanager
async def open_bucket(location: S3Location) -> AsyncIterator["Bucket"]:
    """The bucket, with one client whose connections stay open until the end of the block."""
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=50,
        signature_version="s3v4",
        s3={"addressing_style": "path" if location.path_style else "virtual"},
        # By default botocore adds checksum trailers, which other S3 servers refuse
        # (github.com/boto/boto3/issues/4392).
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=location.endpoint,
        region_name=location.region,
        aws_access_key_id=location.access_key,
        aws_secret_access_key=location.secret_key,
        config=config,
    ) as client:
        client.meta.events.register("before-sign.s3.DeleteObjects", _add_content_md5)
        yield Bucket(client, location)


class BucketExists(RuntimeError):
    """The bucket exists already, and belongs to us."""


class UnfinishedWriteGone(StorageUnavailable):
    """The server does not know a multipart upload any more: somebody completed or aborted it."""


def _add_content_md5(request: Any, **_: Any) -> None:
    # botocore sends a CRC32 only; MinIO's gateway then answers MissingContentMD5.
    digest = md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = b64encode(digest).decode()


class Bucket:
    """Calls S3 operations on one bucket; errors say what the operator can mend."""

    def __init__(self, client: Any, location: S3Location) -> None:
        self._client = client
        self._name = location.bucket
        self._endpoint = location.endpoint or "AWS S3"

    async def call(self, operation: str, **arguments: Any) -> Any:
        """Call an S3 operation (boto3's name) and return its answer. Raises ObjectNotFound,
        ObjectChanged or StorageUnavailable (UnfinishedWriteGone is one); for `create_bucket`
        BucketExists."""
        try:
            return await getattr(self._client, operation)(Bucket=self._name, **arguments)
        except ClientError as error:
            raise self._translated(error, arguments.get("Key", "")) from error
        except BotoCoreError as error:
            raise self.unavailable(f"cannot be reached: {error}") from error

    async def create(self) -> None:
        """Create the bucket unless it exists."""
        with suppress(BucketExists):
            await self.call("create_bucket")

    def _translated(self, error: ClientError, key: str) -> Exception:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code == "NoSuchBucket":
            return self.unavailable(f"has no bucket {self._name!r} (S3_BUCKET)")
        if code == "BucketAlreadyOwnedByYou":
            return BucketExists(self._name)
        if code == "NoSuchUpload":
            return UnfinishedWriteGone(f"the unfinished write of {key} has ended meanwhile")
        if status == 404:
            return ObjectNotFound(key)
        if status == 412:
            return ObjectChanged(key)
        if status in (401, 403):
            return self.unavailable(
                f"refuses the credentials (S3_ACCESS_KEY, S3_SECRET_KEY): {code}"
            )
        return self.unavailable(f"failed: {error}")

    def unavailable(self, reason: str) -> StorageUnavailable:
        """An error whose message names the server, followed by `reason`."""
        return StorageUnavailable(f"object storage at {self._endpoint} {reason}")


async def create(location: S3Location) -> None:
    """Create the bucket, for servers that start empty; does nothing if it exists."""
    async with open_bucket(location) as bucket:
        await bucket.create()


if __name__ == "__main__":
    chosen = s3_location(settings())
    assert chosen is not None, "S3_BUCKET is not set"
    asyncio.run(create(chosen))
