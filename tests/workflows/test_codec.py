"""What the Temporal server sees: ciphertext with encryption, and never a record without."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client, WorkflowHistory

from domain.keyring import Keyring
from settings import Settings
from storage.private_file import write_private
from tests.service import Service, Tenant, new_database, new_tenant, serving
from workflows.codec import EncryptionCodec
from workflows.connection import connect
from workflows.migration.start import migration_id

OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"canary"')

GOOD = b"""number,title,status,priority,note
canary1,canary title,New,1,canary note
canary2,"canary, quoted",New,2,canary note
"""
# Rejected records and an unreadable file, each with the place of its fault.
REJECTED = GOOD + b"canary3,canary title,canary status,canary priority,\n"
UNREADABLE = GOOD + b'canary4,"canary title,New,1,'


def keyring(*lines: tuple[str, bytes]) -> str:
    return "".join(f"{key_id}: {base64.b64encode(key).decode()}\n" for key_id, key in lines)


def codec(**keys: bytes) -> EncryptionCodec:
    return EncryptionCodec(Keyring(keys))


class TestCodec:
    @given(data=st.binary(max_size=2000), encoding=st.binary(max_size=20))
    async def test_what_goes_in_comes_out(self, data: bytes, encoding: bytes) -> None:
        payload = Payload(metadata={"encoding": encoding}, data=data)
        sealed = await codec(one=NEW).encode([payload, payload])
        assert await codec(one=NEW).decode(sealed) == [payload, payload]
        assert sealed[0].data != sealed[1].data
        assert len(data) < 8 or data not in sealed[0].data

    async def test_the_first_key_seals_and_every_key_opens(self) -> None:
        before = await codec(old=OLD).encode([PLAIN])
        rotated = codec(new=NEW, old=OLD)
        after = await rotated.encode([PLAIN])
        assert after[0].metadata["encryption-key-id"] == b"new"
        assert await rotated.decode([*before, *after]) == [PLAIN, PLAIN]

    async def test_a_missing_key_is_named(self) -> None:
        sealed = await codec(old=OLD).encode([PLAIN])
        with pytest.raises(ValueError, match="'old' is not on the key ring"):
            await codec(new=NEW).decode(sealed)

    async def test_another_key_of_the_same_name_is_named(self) -> None:
        sealed = await codec(one=OLD).encode([PLAIN])
        with pytest.raises(ValueError, match="not sealed with the key 'one'"):
            await codec(one=OTHER).decode(sealed)

    async def test_a_changed_payload_is_refused(self) -> None:
        (sealed,) = await codec(one=NEW, two=NEW).encode([PLAIN])
        changed = Payload(metadata=dict(sealed.metadata), data=sealed.data[:-1] + b"x")
        cut = Payload(metadata=dict(sealed.metadata), data=sealed.data[:5])
        renamed = Payload(
            metadata={**sealed.metadata, "encryption-key-id": b"two"}, data=sealed.data
        )
        for damaged in (changed, cut, renamed):
            with pytest.raises(ValueError, match="damaged"):
                await codec(one=NEW, two=NEW).decode([damaged])

    async def test_plain_payloads_pass_through(self) -> None:
        assert await codec(one=NEW).decode([PLAIN]) == [PLAIN]


async def migrations(tenant: Tenant) -> list[str]:
    """A good file with a second preview and a pause, one rejected and one unreadable; their ids."""
    ids = []
    for content in (GOOD, REJECTED, UNREADABLE):
        answer = (await tenant.upload(content)).json()
        job = answer.get("jobId") or answer["job"]["id"]
        ids.append(job)
        if content is not UNREADABLE:
            mapping = {"fieldMappings": answer["preview"]["fieldMappings"]}
            again = await tenant.post(f"/v1/migration/{job}/preview", {"mapping": mapping})
            assert again.status_code == 200, again.text
            await tenant.execute(job)
    await tenant.post(f"/v1/migration/{ids[1]}/cancel")
    await tenant.settled(ids[1])
    return ids


async def refused_by_the_database(tenant: Tenant) -> str:
    """A job whose rows a rule of the database refuses, quoting them."""
    await tenant.sql(
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'not this: %', new.title; end $$"
    )
    await tenant.sql(
        "create trigger refuse before insert on incidents for each row execute function refuse()"
    )
    job = await tenant.migrate(GOOD.replace(b"canary", b"canary again"))
    assert job["failure"]["code"] == "database_refused"
    return str(job["id"])


async def history(client: Client, job_id: str) -> WorkflowHistory:
    return await client.get_workflow_handle(migration_id(job_id)).fetch_history()


def holds(found: WorkflowHistory, word: str) -> list[str]:
    """The types of the events that hold the word anywhere, payloads included."""
    return [
        str(event.WhichOneof("attributes"))
        for event in found.events
        if word.encode() in event.SerializeToString()
    ]


class TestWithoutEncryption:
    async def test_histories_hold_no_record(
        self, service: Service, tenant: Tenant, temporal_client: Client
    ) -> None:
        ids = [*await migrations(tenant), await refused_by_the_database(tenant)]
        for job_id in ids:
            found = await history(temporal_client, job_id)
            assert holds(found, "canary") == []
            assert holds(found, "incidents.csv") == []
            assert holds(found, job_id)  # it is plain, and this is how it would be found


class TestWithEncryption:
    @pytest.fixture
    async def ring(self, tmp_path: Path) -> Path:
        write_private(tmp_path / "keyring", keyring(("new", NEW), ("old", OLD)))
        return tmp_path / "keyring"

    @pytest.fixture
    async def sealed(
        self, postgres_dsn: str, client: Client, ring: Path, tmp_path: Path
    ) -> AsyncIterator[Service]:
        settings = Settings(
            database_url=await new_database(postgres_dsn, "sealed"),
            temporal_address=client.service_client.config.target_host,
            temporal_payload_encryption=True,
            secrets_keyring_file=ring,
            local_storage_dir=tmp_path / "storage",
            admin_key_file=tmp_path / "bootstrap.key",
        )
        async with serving(settings) as running:
            yield running

    async def test_histories_hold_nothing_but_ids_and_codes(
        self, sealed: Service, client: Client, ring: Path
    ) -> None:
        tenant = await new_tenant(sealed)
        ids = await migrations(tenant)
        words = ["canary", "ttl_seconds", "etag", "is not closed", "bytes", 'File "']
        for job_id in ids:
            found = await history(client, job_id)
            assert {word: holds(found, word) for word in words} == {word: [] for word in words}
            for payload in payloads(found):
                assert payload.metadata["encoding"] != b"json/plain"
        await self.reads_them(sealed, client, ids, ring)

    async def reads_them(self, sealed: Service, client: Client, ids: list[str], ring: Path) -> None:
        """Who has the keys does, by a client of theirs and through the codec endpoint."""
        theirs = await connect(sealed.settings.temporal_address, "default", ring)
        description = await theirs.get_workflow_handle(migration_id(ids[0])).describe()
        assert "generic_csv incident" in str(await description.static_summary())
        found = await history(client, ids[2])
        posted = MessageToDict(Payloads(payloads=payloads(found)))
        answer = await decode(sealed.http, posted, sealed.admin_key)
        plain = [base64.b64decode(each["data"]) for each in answer.json()["payloads"]]
        assert any(ids[2].encode() in each for each in plain)
        assert any(b"is not closed" in each for each in plain)
        refused = await decode(sealed.http, posted, (await new_tenant(sealed)).key)
        assert refused.status_code == 403


async def decode(http: httpx.AsyncClient, posted: object, key: str) -> httpx.Response:
    """As the Temporal UI posts payloads."""
    headers = {"X-Namespace": "default", "Authorization": f"Bearer {key}"}
    return await http.post("/codec/decode", json=posted, headers=headers)


def payloads(found: WorkflowHistory) -> list[Payload]:
    """Every payload anywhere in a history, but for search attributes, which the server reads."""
    return _payloads(found.to_json_dict())


def _payloads(part: object) -> list[Payload]:
    if isinstance(part, list):
        return [payload for each in part for payload in _payloads(each)]
    if not isinstance(part, dict):
        return []
    if "encoding" in part.get("metadata", {}):
        metadata = {key: base64.b64decode(value) for key, value in part["metadata"].items()}
        return [Payload(metadata=metadata, data=base64.b64decode(part.get("data", "")))]
    return [
        payload
        for key, each in part.items()
        if key != "searchAttributes"
        for payload in _payloads(each)
    ]
