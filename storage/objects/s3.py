"""Object storage on an S3 server."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientPayloadError
from botocore.exceptions import BotoCoreError

from storage.objects.bucket import Bucket, UnfinishedWriteGone, open_bucket
from storage.objects.location import S3Location
from storage.objects.store import (
    CONTENT_TYPE,
    StorageUnavailable,
    StoredObject,
    checked_key,
    checked_metadata,
    checked_prefix,
    regrouped,
)

PART_BYTES = 8 * 2**20  # S3 allows 10,000 parts of at least 5 MiB: objects up to some 78 GiB
PIECE_BYTES = 2**20
PING_SECONDS = 10
_KEYS_PER_PAGE = 1000  # S3's limit for a listing and for a delete
_RESUMES = 5  # how often a broken read is resumed without a byte of progress
_BODY_CUT = (BotoCoreError, ClientPayloadError)

S3Call = dict[str, Any]  # the arguments or the answer of a call; aiobotocore has no types for them


@asynccontextmanager
async def s3_store(location: S3Location) -> AsyncIterator["S3Store"]:
    """The store of a bucket; its connections stay open until the end of the block."""
    async with open_bucket(location) as bucket:
        yield S3Store(bucket)


class S3Store:
    """The objects of one bucket. Large objects are written in parts (multipart upload); readers
    never see an unfinished object."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def write(
        self, key: str, body: AsyncIterator[bytes], metadata: Mapping[str, str] | None = None
    ) -> StoredObject:
        about = checked_metadata(metadata)
        headers: S3Call = {"Key": checked_key(key), "Metadata": about}
        if CONTENT_TYPE in about:
            headers["ContentType"] = about[CONTENT_TYPE]
        parts = regrouped(body, PART_BYTES)
        first = await anext(parts, b"")
        size = len(first)
        if size < PART_BYTES:
            await self._bucket.call("put_object", Body=first, **headers)
        else:
            size = await self._write_parts(headers, first, parts)
        stored = await self.stat(key)
        if stored.size != size:
            raise self._bucket.unavailable(
                f"took {size:,} bytes for {key}, but has {stored.size:,}"
            )
        return stored

    async def put_file(self, key: str, path: Path) -> None:
        checked_key(key)
        with path.open("rb") as file:
            await self.write(key, _pieces(file))

    async def stream(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        position, size, failures = 0, None, 0
        while position != size:
            answer = await self._get(checked_key(key), position, etag)
            end = position + answer["ContentLength"]
            if size not in (None, end):
                raise self._bucket.unavailable(f"ignores Range when reading {key}")
            etag, size = _bare(answer["ETag"]), end
            body = answer["Body"]
            try:
                async with body:
                    async for piece in body.iter_chunks(PIECE_BYTES):
                        position, failures = position + len(piece), 0
                        yield piece
            except _BODY_CUT as error:
                failures += 1
                if failures > _RESUMES:
                    raise self._bucket.unavailable(f"cut the reading of {key}: {error}") from error
                await asyncio.sleep(0.05 * 2**failures)

    async def local_path(self, key: str, etag: str) -> Path | None:
        return None

    async def read(self, key: str) -> bytes:
        return b"".join([piece async for piece in self.stream(key)])

    async def stat(self, key: str) -> StoredObject:
        answer = await self._bucket.call("head_object", Key=checked_key(key))
        return StoredObject(
            key=key,
            size=answer["ContentLength"],
            etag=_bare(answer["ETag"]),
            modified=answer["LastModified"],
            metadata={name.lower(): value for name, value in answer["Metadata"].items()},
        )

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        page: S3Call = {"Prefix": checked_prefix(prefix), "MaxKeys": _KEYS_PER_PAGE}
        while True:
            answer = await self._bucket.call("list_objects_v2", **page)
            for found in answer.get("Contents", ()):
                # S3 servers over a file system list empty folders as objects.
                if not found["Key"].endswith("/"):
                    etag, modified = _bare(found["ETag"]), found["LastModified"]
                    yield StoredObject(found["Key"], found["Size"], etag, modified)
            if not answer.get("IsTruncated"):
                return
            page["ContinuationToken"] = answer["NextContinuationToken"]

    async def delete(self, keys: Iterable[str]) -> None:
        objects = [{"Key": key} for key in dict.fromkeys(map(checked_key, keys))]
        for start in range(0, len(objects), _KEYS_PER_PAGE):
            batch = {"Objects": objects[start : start + _KEYS_PER_PAGE], "Quiet": True}
            answer = await self._bucket.call("delete_objects", Delete=batch)
            for error in answer.get("Errors", ()):
                raise self._bucket.unavailable(f"did not delete {error['Key']}: {error['Code']}")

    async def abort_stale_writes(self, before: datetime) -> int:
        uploads = [each async for each in self._uploads() if each["Initiated"] < before]
        for each in uploads:
            await self._abort({"Key": each["Key"], "UploadId": each["UploadId"]})
        return len(uploads)

    async def ping(self) -> None:
        # Beginning a multipart upload needs the right to write, and leaves no visible object even
        # if this process dies before the abort.
        try:
            async with asyncio.timeout(PING_SECONDS):
                upload = await self._begin({"Key": "ping"})
                await self._abort(upload)
        except TimeoutError as error:
            raise self._bucket.unavailable(f"did not answer within {PING_SECONDS} s") from error

    async def _write_parts(self, headers: S3Call, first: bytes, rest: AsyncIterator[bytes]) -> int:
        """Write `first` and `rest` as a multipart upload; returns the number of bytes."""
        upload, size = await self._begin(headers), len(first)
        try:
            parts = [await self._part(upload, 1, first)]
            async for piece in rest:
                parts.append(await self._part(upload, len(parts) + 1, piece))
                size += len(piece)
            await self._bucket.call(
                "complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload
            )
        except BaseException:
            with suppress(StorageUnavailable):
                await asyncio.shield(self._abort(upload))
            raise
        return size

    async def _begin(self, headers: S3Call) -> S3Call:
        answer = await self._bucket.call("create_multipart_upload", **headers)
        return {"Key": headers["Key"], "UploadId": answer["UploadId"]}

    async def _part(self, upload: S3Call, number: int, body: bytes) -> S3Call:
        answer = await self._bucket.call("upload_part", PartNumber=number, Body=body, **upload)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _abort(self, upload: S3Call) -> None:
        with suppress(UnfinishedWriteGone):
            await self._bucket.call("abort_multipart_upload", **upload)

    async def _uploads(self) -> AsyncIterator[S3Call]:
        page: S3Call = {}
        while True:
            answer = await self._bucket.call("list_multipart_uploads", **page)
            for upload in answer.get("Uploads", ()):
                yield upload
            if not answer.get("IsTruncated"):
                return
            page = {
                "KeyMarker": answer["NextKeyMarker"],
                "UploadIdMarker": answer["NextUploadIdMarker"],
            }

    async def _get(self, key: str, position: int, etag: str | None) -> Any:
        condition = {} if etag is None else {"IfMatch": f'"{etag}"'}
        # No Range at position 0: S3 refuses a range of an empty object.
        part = {"Range": f"bytes={position}-"} if position else {}
        return await self._bucket.call("get_object", Key=key, **condition, **part)


async def _pieces(file: Any) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


def _bare(etag: str) -> str:
    return etag.strip('"')
