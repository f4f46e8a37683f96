"""Uploads over a real socket: nothing is read too early, too long or too much."""

import asyncio
import hashlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import api.migration.form
from tests.api.conftest import UPLOAD_BYTES, Live
from tests.api.wire import END, Answer, field, file, file_first, form
from tests.service import Service, Tenant
from tests.until import until

GOOD = b"number,title,status,priority\nINC1,Printer on fire,New,1\n"


async def left(tenant: Tenant) -> list[Any]:
    """Jobs, objects and unfinished writes."""
    jobs: list[Any] = (await tenant.get("/v1/migration")).json()["data"]
    root = tenant.service.settings.local_storage_dir
    return [*jobs, *tenant.stored_files(), *root.glob("partial/*")]


async def uploaded(live: Live, tenant: Tenant, body: bytes, **headers: str) -> Answer:
    async with live.connect() as wire:
        await wire.begin(tenant.key, len(body), **headers)
        await wire.send(body)
        return await wire.answer()


class TestSize:
    async def test_a_length_over_the_limit_is_refused_unread(
        self, live: Live, tenant: Tenant
    ) -> None:
        async with live.connect() as wire:
            await wire.begin(tenant.key, UPLOAD_BYTES + 1)
            answer = await wire.answer()
        assert (answer.status, answer.body["code"]) == (413, "file_too_large")
        assert (answer.body["limit"], answer.body["actual"]) == (UPLOAD_BYTES, UPLOAD_BYTES + 1)
        assert await left(tenant) == []

    async def test_chunks_over_the_limit_leave_nothing(self, live: Live, tenant: Tenant) -> None:
        async with live.connect() as wire:
            await wire.begin(tenant.key, None)
            await wire.chunk(form()[: -len(END)] + file(b"a,b\n"))
            for _ in range(UPLOAD_BYTES // 2**16):
                await wire.chunk(b"x" * 2**16)
            answer = await wire.answer()
        assert (answer.status, answer.body["code"]) == (413, "file_too_large")
        assert answer.body["limit"] == UPLOAD_BYTES < answer.body["actual"]
        assert await left(tenant) == []

    async def test_just_within_the_limit_is_taken(self, live: Live, tenant: Tenant) -> None:
        empty = len(form(file(GOOD), wait="30"))
        padded = GOOD + b"\n" * (UPLOAD_BYTES - empty)
        answer = await uploaded(live, tenant, form(file(padded), wait="30"))
        assert (answer.status, answer.body["job"]["fileSize"]) == (201, len(padded))

    async def test_a_json_body_is_bounded_too(self, live: Live) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{live.port}") as http:
            response = await http.post(
                "/v1/migration/templates",
                content=b"[" + b" " * 5 * 2**20 + b"]",
                headers={"Content-Type": "application/json"},
            )
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


class TestAuthentication:
    @pytest.mark.parametrize("key", [None, "fl_0123456789_nonsense_00000000"])
    async def test_comes_before_a_single_byte_of_the_body(
        self, live: Live, key: str | None
    ) -> None:
        async with live.connect() as wire:
            await wire.begin(key, UPLOAD_BYTES)
            answer = await wire.answer()
        assert (answer.status, answer.body["code"]) == (401, "unauthenticated")

    async def test_a_client_that_asks_first_is_not_told_to_go_on(self, live: Live) -> None:
        async with live.connect() as wire:
            await wire.begin(None, UPLOAD_BYTES, Expect="100-continue")
            assert (await wire.answer()).status == 401

    async def test_what_an_unknown_client_sends_meanwhile_reaches_no_disk(
        self, live: Live, tenant: Tenant
    ) -> None:
        body = form(file(b"x" * 2**20))
        async with live.connect() as wire:
            await wire.begin(None, len(body))
            await wire.send(body)
            assert (await wire.answer()).status == 401
        assert await left(tenant) == []

    async def test_another_tenants_slug_is_refused_before_the_file_arrives(
        self, live: Live, tenant: Tenant
    ) -> None:
        fields = form(tenantSlug="somebody-else")[: -len(END)]
        async with live.connect() as wire:
            await wire.begin(tenant.key, UPLOAD_BYTES)
            await wire.send(fields + file(b"number\n"))
            answer = await wire.answer()
        assert (answer.status, answer.body["code"]) == (403, "forbidden")


FORMS = {
    "no file": (form(), 400, "file_missing"),
    "file first, unknown records": (
        file_first(GOOD, entityType="nothing"),
        422,
        "invalid_request",
    ),
    "file first, a format that is not read": (
        file_first(b'[{"a": 1}]', "a.json"),
        415,
        "format_unsupported",
    ),
    "file first, another checksum": (
        file_first(GOOD, sha256="0" * 64),
        422,
        "checksum_mismatch",
    ),
    "file first, field twice": (
        file(GOOD) + b"\r\n" + field("entityType", "incident") + form(),
        400,
        "multipart_invalid",
    ),
    "file first, another tenant": (
        file_first(GOOD, tenantSlug="somebody-else"),
        403,
        "forbidden",
    ),
    "file first, cut off": (file_first(GOOD)[:-20], 400, "multipart_invalid"),
    "file alone": (file(GOOD) + END, 422, "invalid_request"),
    "field after file": (
        form(file(GOOD) + b"\r\n", field("wait", "61")),
        422,
        "invalid_request",
    ),
    "second file": (form(file(GOOD) + b"\r\n", file(GOOD)), 400, "multipart_invalid"),
    "21 parts after the file": (
        form(file(GOOD) + b"\r\n", *(field(f"x{n}", "") for n in range(19))),
        400,
        "too_many_parts",
    ),
    "empty file": (form(file(b"")), 422, "file_empty"),
    "21 parts": (
        form(*(field(f"x{n}", "") for n in range(19)), file(GOOD)),
        400,
        "too_many_parts",
    ),
    "long field": (
        form(field("sourceInstance", "x" * (2**16 + 1)), file(GOOD)),
        413,
        "form_field_too_large",
    ),
    "field twice": (form(field("entityType", "request"), file(GOOD)), 400, "multipart_invalid"),
    "field not UTF-8": (
        form(field("sourceInstance", b"K\xf6ln"), file(GOOD)),
        422,
        "encoding_invalid",
    ),
    "field with NUL": (
        form(field("sourceInstance", "a\0b"), file(GOOD)),
        422,
        "value_not_storable",
    ),
    "unknown field": (form(field("colour", "red"), file(GOOD)), 422, "invalid_request"),
    "wait forever": (form(field("wait", "nan"), file(GOOD)), 422, "invalid_request"),
    "bad mapping": (form(field("mapping", "{"), file(GOOD)), 422, "invalid_request"),
    "deep mapping": (form(field("mapping", "[" * 60_000), file(GOOD)), 422, "invalid_request"),
    "unknown template": (
        form(field("mappingTemplateId", "019a0000-0000-7000-8000-000000000000"), file(GOOD)),
        422,
        "invalid_request",
    ),
    "other checksum": (form(field("sha256", "0" * 64), file(GOOD)), 422, "checksum_mismatch"),
    "cut off": (form(file(GOOD))[:-20], 400, "multipart_invalid"),
    "no boundary": (b"just text", 400, "multipart_invalid"),
    "huge part header": (
        form(field("x" * 2**17, ""), file(GOOD)),
        400,
        "multipart_invalid",
    ),
}


class TestForm:
    @pytest.mark.parametrize("name", FORMS)
    async def test_a_form_that_cannot_be_used_leaves_nothing(
        self, live: Live, tenant: Tenant, name: str
    ) -> None:
        body, status, code = FORMS[name]
        answer = await uploaded(live, tenant, body)
        assert (answer.status, answer.body["code"]) == (status, code), answer.body
        assert answer.headers["content-type"] == "application/problem+json"
        assert await left(tenant) == []

    async def test_no_form_at_all(self, tenant: Tenant) -> None:
        response = await tenant.post("/v1/migration/upload", {"sourceSystem": "generic_csv"})
        assert (response.status_code, response.json()["code"]) == (400, "multipart_invalid")

    async def test_a_field_that_is_wrong_is_pointed_at(self, live: Live, tenant: Tenant) -> None:
        answer = await uploaded(live, tenant, form(file(GOOD), dryRun="perhaps"))
        assert [each["pointer"] for each in answer.body["errors"]] == ["/dryRun"]

    async def test_the_right_checksum_passes(self, live: Live, tenant: Tenant) -> None:
        digest = hashlib.sha256(GOOD).hexdigest()
        answer = await uploaded(live, tenant, form(file(GOOD), sha256=digest.upper(), wait="30"))
        assert (answer.status, answer.body["job"]["sha256"]) == (201, digest)


NAMES = {
    b"../../etc/passwd.csv": "passwd.csv",
    rb"C:\\Users\\me\\incidents.csv": "incidents.csv",
    b"a\0b.csv": "ab.csv",
    "invoice\u202excod.csv".encode(): "invoicexcod.csv",
    "Vorf\xe4lle  Mai.csv".encode(): "Vorf\xe4lle Mai.csv",
    b"": "upload",
    b"x" * 3000 + b".csv": "x" * 196 + ".csv",
}


class TestName:
    @pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=range(len(NAMES)))
    async def test_is_for_people_only(
        self, live: Live, tenant: Tenant, name: bytes, shown: str
    ) -> None:
        answer = await uploaded(live, tenant, form(file(GOOD, name), wait="30"))
        assert answer.status == 201, answer.body
        assert answer.body["job"]["fileName"] == shown
        (folder,) = {path.parent.name for path in tenant.stored_files() if path.suffix == ".csv"}
        assert folder == "migrations"


class TestBrokenOff:
    @pytest.mark.parametrize("length", [UPLOAD_BYTES, None], ids=["declared", "chunked"])
    async def test_leaves_nothing(self, live: Live, tenant: Tenant, length: int | None) -> None:
        partial = tenant.service.settings.local_storage_dir / "partial"
        async with live.connect() as wire:
            await wire.begin(tenant.key, length)
            send = wire.send if length else wire.chunk
            await send(form()[: -len(END)] + file(GOOD))
            await send(b"x" * 2**20)
            await until(lambda: any(partial.glob("*")))
            wire.break_off()
        await until(lambda: not any(partial.glob("*")))
        assert await left(tenant) == []

    async def test_gives_its_idempotency_key_back(self, live: Live, tenant: Tenant) -> None:
        partial = tenant.service.settings.local_storage_dir / "partial"
        headers = {"Idempotency-Key": "broken-off"}
        async with live.connect() as wire:
            await wire.begin(tenant.key, UPLOAD_BYTES, **headers)
            await wire.send(form()[: -len(END)] + file(b"x" * 2**20))
            await until(lambda: any(partial.glob("*")))
            wire.break_off()
        await until(lambda: not any(partial.glob("*")))
        async with asyncio.timeout(10):
            while (
                answer := await uploaded(live, tenant, form(file(GOOD)), **headers)
            ).status == 409:
                await asyncio.sleep(0.02)
        assert answer.status in (201, 202), answer.body


class TestSlow:
    async def test_silence_ends_the_upload(
        self, live: Live, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.migration.form, "_SLOW_SECONDS", 0.2)
        async with live.connect() as wire:
            await wire.begin(tenant.key, UPLOAD_BYTES)
            await wire.send(form()[: -len(END)] + file(GOOD))
            answer = await wire.answer()
        assert (answer.status, answer.body["code"]) == (408, "upload_too_slow")
        assert await left(tenant) == []

    async def test_a_trickle_ends_it_too(
        self, live: Live, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.migration.form, "_SLOW_SECONDS", 0.5)
        async with live.connect() as wire:
            await wire.begin(tenant.key, UPLOAD_BYTES)
            await wire.send(form()[: -len(END)] + file(GOOD))
            answering = asyncio.create_task(wire.answer())
            while not answering.done():
                await wire.send(b"x")
                await asyncio.wait([answering], timeout=0.05)
        assert answering.result().body["code"] == "upload_too_slow"
        assert await left(tenant) == []


@asynccontextmanager
async def api_process(service: Service) -> AsyncIterator[tuple[psutil.Process, str]]:
    """`python -m api` on the service's servers, once it is ready; and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": service.dsn,
        "TEMPORAL_ADDRESS": service.settings.temporal_address,
        "LOCAL_STORAGE_DIR": str(service.settings.local_storage_dir),
        "SECRETS_KEYRING_FILE": str(service.settings.secrets_keyring_file),
        "API_PORT": str(port),
    }
    root = Path(api.migration.form.__file__).parents[2]
    command = [sys.executable, "-m", "api"]
    child = await asyncio.create_subprocess_exec(*command, env=environment, cwd=root)
    try:
        async with httpx.AsyncClient() as http, asyncio.timeout(30):
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/readyz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield psutil.Process(child.pid), f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        await child.wait()


async def test_memory_does_not_grow_with_the_file(service: Service, tenant: Tenant) -> None:
    """Refused for its checksum at the very end, so that nothing but the upload is measured."""

    async def send(size: int) -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            yield form(sha256="0" * 64)[: -len(END)] + file(b"number\n")
            for _ in range(size // 2**20):
                yield b"x" * 2**20
            yield END

        headers = tenant.headers | {"Content-Type": "multipart/form-data; boundary=edge"}
        async with httpx.AsyncClient(base_url=address, timeout=120) as http:
            return await http.post("/v1/migration/upload", content=body(), headers=headers)

    async with api_process(service) as (process, address):
        assert (await send(4 * 2**20)).json()["code"] == "checksum_mismatch"
        before = process.memory_info().rss
        sending = asyncio.create_task(send(200 * 2**20))
        peak = before
        while not sending.done():
            peak = max(peak, process.memory_info().rss)
            await asyncio.wait([sending], timeout=0.02)
    assert sending.result().json()["code"] == "checksum_mismatch"
    assert peak - before < 32 * 2**20
    assert await left(tenant) == []
