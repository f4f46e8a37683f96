"""Chooses the object store that the settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from settings import Settings
from storage.objects.local import LocalStore
from storage.objects.location import s3_location
from storage.objects.store import ObjectStore


@asynccontextmanager
async def object_store(chosen: Settings) -> AsyncIterator[ObjectStore]:
    """S3 if S3_BUCKET or S3_ENDPOINT is set, else the directory LOCAL_STORAGE_DIR.

    Raises ValueError where S3 is asked for without a bucket.
    """
    location = s3_location(chosen)
    if location is None:
        yield LocalStore(chosen.local_storage_dir)
        return
    # Imported only when used: the AWS client costs a process about 40 MB.
    from storage.objects.s3 import s3_store

    async with s3_store(location) as store:
        yield store
