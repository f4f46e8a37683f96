"""Both object stores keep the same promises."""

import asyncio
import hashlib
import random
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedded.s3 import S3
from settings import Settings
from storage.objects import bucket
from storage.objects.location import S3Location
from storage.objects.s3 import PART_BYTES, s3_store
from storage.objects.store import (
    ObjectChanged,
    ObjectNotFound,
    ObjectStore,
    StorageUnavailable,
    regrouped,
)
from storage.objects.store_factory import object_store
from tests.storage.postgres.cutting_proxy import cutting_proxy, falsifying_proxy

MIB = 2**20


@pytest.fixture(scope="session")
async def location(s3: S3) -> S3Location:
    """A bucket of our own: what other tests leave behind is none of our business."""
    own = S3Location("objects", s3.endpoint, "us-east-1", s3.access_key, s3.secret_key)
    await bucket.create(own)
    return own


@pytest.fixture(scope="session", params=["local", "s3"])
async def store(
    request: pytest.FixtureRequest, servers_dir: Path, location: S3Location
) -> AsyncIterator[ObjectStore]:
    chosen = Settings(local_storage_dir=servers_dir / "objects", s3_bucket=None)
    if request.param == "s3":
        chosen = _settings(location)
    async with object_store(chosen) as opened:
        yield opened


def _settings(location: S3Location) -> Settings:
    return Settings(
        s3_bucket=location.bucket,
        s3_endpoint=location.endpoint,
        s3_access_key=location.access_key,
        s3_secret_key=location.secret_key,
    )


@pytest.fixture
def key() -> str:
    """A key in a folder of its own."""
    return f"acme/migrations/{uuid4().hex}/export.csv"


async def stream_of(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken_after(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise ConnectionResetError("the client went away")


def random_pieces(size: int, piece: int = 100_000) -> Iterator[bytes]:
    source = random.Random(size)
    for start in range(0, size, piece):
        yield source.randbytes(min(piece, size - start))


async def keys_of(store: ObjectStore, prefix: str) -> list[str]:
    return [found.key async for found in store.list(prefix)]


async def unfinished_writes(store: ObjectStore) -> int:
    return await store.abort_stale_writes(datetime.now(UTC) + timedelta(hours=1))


class TestWriting:
    @pytest.mark.parametrize(
        "size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 20 * MIB], ids=str
    )
    async def test_what_is_written_is_read(self, store: ObjectStore, key: str, size: int) -> None:
        written = await store.write(key, stream_of(random_pieces(size)))
        digest = hashlib.sha256()
        async for piece in store.stream(key, written.etag):
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(b"".join(random_pieces(size))).digest()
        assert (written.key, written.size) == (key, size)
        assert abs(datetime.now(UTC) - written.modified) < timedelta(minutes=1)
        assert await store.stat(key) == written

    @given(pieces=st.lists(st.binary(max_size=70_000), max_size=6))
    @hypothesis_settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_any_split_of_any_body(
        self, store: ObjectStore, key: str, pieces: list[bytes]
    ) -> None:
        await store.write(key, stream_of(pieces))
        assert await store.read(key) == b"".join(pieces)

    async def test_memory_stays_flat(self, store: ObjectStore, key: str) -> None:
        tracemalloc.start()
        try:
            await store.write(key, stream_of(bytes(MIB) for _ in range(96)))
            size = 0
            async for piece in store.stream(key):
                size += len(piece)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert size == 96 * MIB
        assert peak < 40 * MIB

    @pytest.mark.parametrize("size", [0, 100, 20 * MIB], ids=str)
    async def test_a_broken_body_leaves_nothing(
        self, store: ObjectStore, key: str, size: int
    ) -> None:
        with pytest.raises(ConnectionResetError):
            await store.write(key, broken_after(random_pieces(size)))
        with pytest.raises(ObjectNotFound):
            await store.stat(key)
        assert await unfinished_writes(store) == 0

    async def test_a_broken_body_leaves_the_old_object(self, store: ObjectStore, key: str) -> None:
        before = await store.write(key, stream_of([b"old"]), {"round": "1"})
        with pytest.raises(ConnectionResetError):
            await store.write(key, broken_after([b"new"]), {"round": "2"})
        assert await store.stat(key) == before
        assert await store.read(key) == b"old"

    async def test_a_cancelled_write_leaves_nothing(self, store: ObjectStore, key: str) -> None:
        writing, _ = await self._stuck_write(store, key)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await keys_of(store, key) == []
        assert await unfinished_writes(store) == 0

    async def test_a_stale_write_is_swept_and_cannot_finish(
        self, store: ObjectStore, key: str
    ) -> None:
        writing, go_on = await self._stuck_write(store, key)
        assert await store.abort_stale_writes(datetime.now(UTC) - timedelta(hours=1)) == 0
        assert await unfinished_writes(store) == 1
        go_on.set()
        with pytest.raises(StorageUnavailable):
            await writing
        assert await keys_of(store, key) == []

    async def _stuck_write(
        self, store: ObjectStore, key: str
    ) -> tuple["asyncio.Task[object]", asyncio.Event]:
        """A write that has sent two parts and waits for the event before the third."""
        sent, go_on = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            for piece in random_pieces(2 * PART_BYTES):
                yield piece
            sent.set()
            await go_on.wait()
            yield b"the end"

        writing: asyncio.Task[object] = asyncio.create_task(store.write(key, body()))
        await sent.wait()
        return writing, go_on

    async def test_a_file_becomes_an_object(
        self, store: ObjectStore, key: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "chunk.parquet"
        path.write_bytes(b"x" * 9 * MIB)
        await store.put_file(key, path)
        assert await store.read(key) == b"x" * 9 * MIB
        assert (await store.stat(key)).metadata == {}

    async def test_a_file_of_another_file_system(self, store: ObjectStore, key: str) -> None:
        path = Path("/dev/shm") / uuid4().hex
        path.write_bytes(b"from memory")
        try:
            await store.put_file(key, path)
        finally:
            path.unlink(missing_ok=True)
        assert await store.read(key) == b"from memory"

    async def test_neighbours_come_and_go(self, store: ObjectStore, key: str) -> None:
        async def come_and_go(name: str) -> None:
            for _ in range(50):
                await store.write(f"{key}/{name}", stream_of([b"here"]))
                await store.delete([f"{key}/{name}"])

        await asyncio.gather(*(come_and_go(name) for name in "abcd"))
        assert await keys_of(store, key) == []


class TestPinning:
    async def test_a_local_path_is_the_pinned_object_or_none(
        self, store: ObjectStore, key: str
    ) -> None:
        first = await store.write(key, stream_of([b"one"]))
        second = await store.write(key, stream_of([b"two"]))
        path = await store.local_path(key, second.etag)
        assert path is None or path.read_bytes() == b"two"
        if path is not None:
            with pytest.raises(ObjectChanged):
                await store.local_path(key, first.etag)

    async def test_a_replaced_object_is_refused(self, store: ObjectStore, key: str) -> None:
        first = await store.write(key, stream_of([b"one"]))
        second = await store.write(key, stream_of([b"two"]))
        assert first.etag != second.etag
        with pytest.raises(ObjectChanged):
            await anext(store.stream(key, first.etag))
        assert [piece async for piece in store.stream(key, second.etag)] == [b"two"]

    async def test_a_deleted_object_is_not_found(self, store: ObjectStore, key: str) -> None:
        written = await store.write(key, stream_of([b"one"]))
        await store.delete([key])
        with pytest.raises(ObjectNotFound):
            await anext(store.stream(key, written.etag))

    async def test_an_absent_object_is_not_found(self, store: ObjectStore, key: str) -> None:
        folder = key.rpartition("/")[0]
        await store.write(key, stream_of([b"a"]))
        for absent in (f"{key}x", folder, "nobody/here"):
            with pytest.raises(ObjectNotFound):
                await store.stat(absent)
            with pytest.raises(ObjectNotFound):
                await store.read(absent)


class TestMetadata:
    @given(
        metadata=st.dictionaries(
            st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
            st.from_regex(r"[!-~]([ -~]{0,40}[!-~])?", fullmatch=True),
            max_size=4,
        )
    )
    @hypothesis_settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_it_comes_back(
        self, store: ObjectStore, key: str, metadata: dict[str, str]
    ) -> None:
        written = await store.write(key, stream_of([b"a"]), metadata)
        assert written.metadata == metadata
        assert (await store.stat(key)).metadata == metadata

    async def test_names_become_lower_case(self, store: ObjectStore, key: str) -> None:
        written = await store.write(key, stream_of([b"a"]), {"sourceSystem": "ServiceNow"})
        assert written.metadata == {"sourcesystem": "ServiceNow"}

    async def test_large_objects_have_it_too(self, store: ObjectStore, key: str) -> None:
        body = stream_of(random_pieces(PART_BYTES + 1))
        assert (await store.write(key, body, {"a": "b"})).metadata == {"a": "b"}

    async def test_an_overwrite_replaces_it(self, store: ObjectStore, key: str) -> None:
        await store.write(key, stream_of([b"a"]), {"a": "1", "b": "2"})
        assert (await store.write(key, stream_of([b"b"]), {"a": "3"})).metadata == {"a": "3"}
        assert (await store.write(key, stream_of([b"c"]))).metadata == {}

    @pytest.mark.parametrize("size", [3, PART_BYTES + 1])
    async def test_can_be_added_by_writing_the_object_anew(
        self, store: ObjectStore, key: str, size: int
    ) -> None:
        plain = await store.write(key, stream_of([b"a" * size]))
        about = {"content-type": "text/csv", "originalName": "a b.csv"}
        told = await store.write(key, store.stream(key, plain.etag), about)
        assert told.size == size
        assert told.metadata == {"content-type": "text/csv", "originalname": "a b.csv"}
        assert await store.read(key) == b"a" * size

    async def test_has_the_objects_content_type_for_s3(self, location: S3Location) -> None:
        async with s3_store(location) as store, bucket.open_bucket(location) as opened:
            key = f"tests/{uuid4()}"
            await store.write(key, stream_of([b"a"]), {"content-type": "text/csv"})
            head = await opened.call("head_object", Key=key)
        assert head["ContentType"] == "text/csv"

    @pytest.mark.parametrize(
        ("name", "value"),
        [("a", "ä"), ("a", "1\r\nx-evil: 2"), ("a b", "1"), ("ä", "1"), ("a", " 1"), ("", "1")],
    )
    async def test_what_no_header_can_carry_is_refused(
        self, store: ObjectStore, key: str, name: str, value: str
    ) -> None:
        with pytest.raises(ValueError, match="not object metadata"):
            await store.write(key, stream_of([b"a"]), {name: value})
        assert await keys_of(store, key) == []


class TestListing:
    async def test_by_prefix_in_key_order(self, store: ObjectStore, key: str) -> None:
        names = ["a/b", "a-b", "a.b", "a/b-c", "a/c/d", "b", "a/é", "a/B", "aa", "a/ ~+&<%2e>"]
        for name in names:
            await store.write(f"{key}/{name}", stream_of([b"123"]))
        everything = sorted(f"{key}/{name}" for name in names)
        assert await keys_of(store, f"{key}/") == everything
        for prefix in ("a", "a/", "a/b", "a/c", "nothing", "nothing/at/all"):
            expected = [each for each in everything if each.startswith(f"{key}/{prefix}")]
            assert await keys_of(store, f"{key}/{prefix}") == expected

    async def test_it_says_what_stat_says(self, store: ObjectStore, key: str) -> None:
        written = await store.write(key, stream_of([b"123"]))
        listed = await anext(store.list(key))
        assert (listed.key, listed.size, listed.etag) == (key, 3, written.etag)
        # S3 answers HTTP dates in whole seconds, listings in milliseconds.
        assert abs(listed.modified - written.modified) < timedelta(seconds=1)

    async def test_more_than_one_page(self, store: ObjectStore, key: str) -> None:
        keys = [f"{key}/{number:04}" for number in range(1_005)]
        for start in range(0, len(keys), 15):
            writes = (store.write(each, stream_of([])) for each in keys[start : start + 15])
            await asyncio.gather(*writes)
        assert await keys_of(store, f"{key}/") == keys
        await store.delete(keys)
        assert await keys_of(store, f"{key}/") == []


class TestDeleting:
    async def test_missing_and_repeated_keys_are_fine(self, store: ObjectStore, key: str) -> None:
        await store.write(key, stream_of([b"a"]), {"a": "b"})
        await store.write(f"{key}.kept", stream_of([b"a"]))
        await store.delete([key, "nobody/here", key])
        assert await keys_of(store, key) == [f"{key}.kept"]
        await store.delete([key])
        await store.delete([])


HOSTILE_KEYS = [
    *("", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", "a/.", "./a", "a//b", "a/"),
    *("a\0b", "a\nb", "\x7f", "x" * 256, "a/" * 511 + "aaa", "\ud800"),
]


class TestHostileKeys:
    async def test_they_are_refused_everywhere(self, store: ObjectStore, tmp_path: Path) -> None:
        for hostile in HOSTILE_KEYS:
            for attempt in (
                partial(store.write, hostile, stream_of([b"a"])),
                partial(store.put_file, hostile, tmp_path),
                partial(store.read, hostile),
                partial(store.stat, hostile),
                partial(store.delete, [hostile]),
            ):
                with pytest.raises(ValueError, match="not an object key"):
                    await attempt()

    async def test_so_are_hostile_prefixes(self, store: ObjectStore) -> None:
        for prefix in ("/", "../", "a/../", "a//", "\0"):
            with pytest.raises(ValueError, match="not an object key"):
                await keys_of(store, prefix)

    async def test_the_longest_keys_are_kept(self, store: ObjectStore, key: str) -> None:
        longest = "/".join([key, "x" * 255, "é" * 127, "y" * 255, "z" * 80])
        await store.write(longest, stream_of([b"a"]), {"a": "b"})
        assert await keys_of(store, key) == [longest]
        assert (await store.stat(longest)).metadata == {"a": "b"}


class TestPing:
    async def test_a_good_store_answers_and_shows_nothing(self, store: ObjectStore) -> None:
        before = await keys_of(store, "")
        await store.ping()
        assert await keys_of(store, "") == before
        assert await unfinished_writes(store) == 0

    async def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        chosen = Settings(local_storage_dir=tmp_path / "file" / "store", s3_bucket=None)
        async with object_store(chosen) as store:
            with pytest.raises(StorageUnavailable, match=r"LOCAL_STORAGE_DIR.*Not a directory"):
                await store.ping()

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"bucket": "no-such-bucket"}, "has no bucket 'no-such-bucket' .S3_BUCKET"),
            ({"secret_key": "wrong"}, "refuses the credentials .*SignatureDoesNotMatch"),
            ({"access_key": "nobody"}, "refuses the credentials .*InvalidAccessKeyId"),
            ({"endpoint": "http://127.0.0.1:9"}, "127.0.0.1:9 cannot be reached: "),
        ],
        ids=["bucket", "secret", "access key", "endpoint"],
    )
    async def test_the_sentence_says_what_to_mend(
        self, location: S3Location, wrong: dict[str, Any], sentence: str
    ) -> None:
        async with object_store(_settings(replace(location, **wrong))) as store:
            with pytest.raises(StorageUnavailable, match=sentence):
                await store.ping()

    async def test_s3_without_a_bucket_is_refused(self) -> None:
        chosen = Settings(s3_endpoint="http://127.0.0.1:9", s3_bucket=None)
        with pytest.raises(ValueError, match="S3_BUCKET is not"):
            async with object_store(chosen):
                pass


class TestCutConnections:
    async def test_a_read_goes_on_where_it_was_cut(self, location: S3Location, key: str) -> None:
        whole = b"".join(random_pieces(20 * MIB))
        async with s3_store(location) as direct:
            await direct.write(key, stream_of([whole]))
        async with (
            cutting_proxy(str(location.endpoint), answer_bytes=3 * MIB) as url,
            s3_store(replace(location, endpoint=url)) as shaky,
        ):
            assert await shaky.read(key) == whole

    async def test_it_does_not_go_on_with_another_object(
        self, location: S3Location, key: str
    ) -> None:
        async with (
            s3_store(location) as direct,
            cutting_proxy(str(location.endpoint), answer_bytes=3 * MIB) as url,
            s3_store(replace(location, endpoint=url)) as shaky,
        ):
            await direct.write(key, stream_of(random_pieces(20 * MIB)))
            reading = shaky.stream(key)
            await anext(reading)
            await direct.write(key, stream_of(random_pieces(21 * MIB)))
            with pytest.raises(ObjectChanged):
                async for _ in reading:
                    pass


@given(pieces=st.lists(st.binary(max_size=50)), size=st.integers(1, 20))
async def test_regrouping_keeps_the_bytes(pieces: list[bytes], size: int) -> None:
    regrouped_pieces = [piece async for piece in regrouped(stream_of(pieces), size)]
    assert b"".join(regrouped_pieces) == b"".join(pieces)
    assert all(len(piece) == size for piece in regrouped_pieces[:-1])
    assert all(0 < len(piece) <= size for piece in regrouped_pieces[-1:])


@pytest.mark.parametrize("size", [2_000, PART_BYTES + 1])
async def test_a_server_that_has_not_what_it_took_is_not_believed(
    location: S3Location, size: int
) -> None:
    said, instead = (f"Content-Length: {each}\r\n".encode() for each in (size, size - 1))
    async with (
        falsifying_proxy(str(location.endpoint), said, instead) as url,
        s3_store(replace(location, endpoint=url)) as store,
    ):
        with pytest.raises(StorageUnavailable, match=f"took {size:,} bytes"):
            await store.write(f"short/{uuid4()}", _once(bytes(size)))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
