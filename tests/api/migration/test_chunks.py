"""Chunks that end by their bytes, and those of an earlier version, seen from outside."""

import json
from typing import Any

import pytest

import worker
from activities.migration.keys import job_prefix, new_chunk_key, new_chunk_number
from activities.migration.parsing import ParseActivities
from tests.service import Tenant
from workflows.migration import messages as m

HEADER = "number,title,status,priority,u_notes"


def large(count: int, notes: str) -> bytes:
    """A CSV of large records; every seventh has a field too many, every other id comes twice."""
    lines = (
        f"INC{n // 2:07},t {n},New,1,{notes}{',surplus' if n % 7 == 0 else ''}"
        for n in range(1, count + 1)
    )
    return "\n".join([HEADER, *lines, ""]).encode()


async def parsed(tenant: Tenant, content: bytes) -> dict[str, Any]:
    response = await tenant.upload(content)
    job: dict[str, Any] = response.json()["job"]
    assert job["status"] == "preview", job
    return job


async def profile_of(tenant: Tenant, job_id: str) -> list[Any]:
    found = await tenant.sql(
        "select profile->'chunks' as c from public.migration_jobs where id = $1", job_id
    )
    chunks: list[Any] = json.loads(found[0]["c"])
    return chunks


async def test_large_records_lie_in_chunks_of_their_own_size(tenant: Tenant) -> None:
    count = 900
    job = await parsed(tenant, large(count, "x" * 40_000))
    chunks = await profile_of(tenant, job["id"])
    assert len(chunks) == 2
    assert sum(records for records, _ in chunks) == count
    assert all(weight <= 16 * 2**20 for _, weight in chunks)
    done = await tenant.execute(job["id"], batchSize=100, continueOnError=True, updateExisting=True)
    assert done["status"] == "completed"
    assert done["processedRecords"] == count
    assert done["failedRecords"] == count // 7
    assert {each["row"] for each in await tenant.errors(job["id"])} == {*range(7, count + 1, 7)}
    # Of each id the last good record of the file counts, also where a chunk or a batch ends.
    found = await tenant.sql("select source_row from incidents")
    last = {n // 2: n for n in range(1, count + 1) if n % 7}
    assert {row["source_row"] for row in found} == {*last.values()}


@pytest.mark.parametrize(
    ("unknown", "old_name"), [("{chunks,readers}", "{:06}"), ("{readers}", "c{:06}")]
)
async def test_a_file_that_an_earlier_version_cut_still_imports(
    tenant: Tenant, unknown: str, old_name: str
) -> None:
    """Its chunks have other names, and the earliest versions did not record where they end."""
    count = 25_000
    lines = (f"INC{n:07},t {n},New,1,x" for n in range(1, count + 1))
    job = await parsed(tenant, "\n".join([HEADER, *lines, ""]).encode())
    await tenant.sql(
        "update public.migration_jobs set profile = profile - $2::text::text[] where id = $1",
        *(job["id"], unknown),
    )
    chunks = sorted(path for path in tenant.stored_files() if path.suffix == ".arrow")
    assert [new_chunk_number(path.name) for path in chunks] == [0, 1, 2]
    for number, path in enumerate(chunks):
        path.rename(path.with_name(old_name.format(number) + ".arrow"))
    done = await tenant.execute(job["id"], batchSize=3_000)
    assert (done["status"], done["successfulRecords"]) == ("completed", count)
    found = await tenant.sql("select count(distinct source_row) as rows from incidents")
    assert found[0]["rows"] == count
    assert tenant.stored_files() == []


@pytest.mark.parametrize("name", ["000000", "c000000", "c000000-0123abcd"])
async def test_a_parse_that_goes_on_after_an_upgrade_begins_anew(tenant: Tenant, name: str) -> None:
    """Otherwise it would join chunks of two versions of the readers."""
    job = await parsed(tenant, f"{HEADER}\nINC1,t,New,1,x\n".encode())
    [chunk] = [path for path in tenant.stored_files() if path.suffix == ".arrow"]
    chunk.rename(chunk.with_name(f"{name}.arrow")).write_bytes(b"of others")
    ref = m.JobRef(tenant_id=tenant.id, job_id=job["id"])
    [row] = await tenant.sql(
        "select object_etag from public.migration_jobs where id = $1", job["id"]
    )
    async with worker.connected(tenant.service.settings) as (_, connections):
        parsing = ParseActivities(connections, tenant.service.settings)
        await parsing.parse_upload(m.ParseInput(job=ref, etag=row["object_etag"]))
    assert (await tenant.execute(job["id"]))["successfulRecords"] == 1


def test_no_other_file_is_taken_for_a_chunk() -> None:
    assert new_chunk_number("acme/migrations/1/cats.arrow") is None
    assert new_chunk_number(new_chunk_key("acme/migrations/1", 3)) == 3


def test_all_files_of_a_job_have_one_prefix() -> None:
    keys = ("acme/migrations/01jd.csv", "acme/migrations/01jd/000003.arrow")
    assert {job_prefix(key) for key in keys} == {"acme/migrations/01jd"}
