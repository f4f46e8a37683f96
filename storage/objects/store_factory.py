"""Opens the object store that the settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from settings import Settings
from storage.objects.local import LocalStore
from storage.objects.location import s3_location
from storage.objects.store import ObjectStore


@asynccontextmanager
async def object_store(chosen: Settings) -> AsyncIterator[ObjectStore]:
    """An S3 store if S3_BUCKET or S3_ENDPOINT is set, else one in LOCAL_STORAGE_DIR.

    Raises ValueError if S3_ENDPOINT is set without S3_BUCKET.
    """
    location = s3_location(chosen)
    if location is None:
        yield LocalStore(chosen.local_storage_dir)
        return
    # Imported only when used: the AWS client takes about 40 MB of memory.
    from storage.objects.s3 import s3_store

    async with s3_store(location) as store:
        yield store
