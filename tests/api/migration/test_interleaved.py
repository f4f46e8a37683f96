"""Interleaved imports of the same records: what each rollback restores and keeps."""

import pytest

from tests.api.migration.test_accounting import paused, resumed
from tests.api.migration.test_steering import roll_back
from tests.faults.exports import export
from tests.service import Tenant

IDS = 2_500
BETWEEN = export(IDS, "Between")


async def taking_turns(tenant: Tenant, before: bytes | None) -> tuple[str, str]:
    """A job repeats ids after another job has updated their records; the ids of both jobs."""
    if before is not None:
        await tenant.migrate(before)
    again = b"".join(
        export(range(1, IDS + 1), f"Round {turn}").partition(b"\n")[2] for turn in range(2, 12)
    )
    job_id, _ = await paused(tenant, export(IDS, "Round 1") + again, updateExisting=True)
    between = (await tenant.upload(BETWEEN)).json()["job"]["id"]
    assert (await tenant.execute(between, updateExisting=True))["status"] == "completed"
    job = await resumed(tenant, job_id)
    assert (job["status"], job["processedRecords"]) == ("completed", 11 * IDS), job
    return job_id, between


async def first_words(tenant: Tenant) -> set[str]:
    found = await tenant.sql("select distinct split_part(title, ' ', 1) from incidents")
    return {row[0] for row in found}


KNOWN = pytest.mark.parametrize("before", [None, export(IDS, "As it was")], ids=["new", "known"])


@KNOWN
async def test_the_last_one_wins(tenant: Tenant, before: bytes | None) -> None:
    await taking_turns(tenant, before)
    assert await first_words(tenant) == {"Round"}


@KNOWN
async def test_rolled_back_what_came_between_is_there_again_and_is_said_to_stay(
    tenant: Tenant, before: bytes | None
) -> None:
    job_id, _ = await taking_turns(tenant, before)
    job = await roll_back(tenant, job_id)
    assert await first_words(tenant) == {"Between"}
    assert job["report"]["undone"] == {"deleted": 0, "restored": IDS, "kept": IDS}
    assert {each["code"] for each in await tenant.errors(job_id)} == {"kept_edited"}
    assert job["warnings"] == []


async def test_rolled_back_in_the_order_of_their_ends_nothing_is_restored_twice(
    tenant: Tenant,
) -> None:
    """The middle job was overtaken: its rollback keeps all, the other job's restores its rows."""
    job_id, between = await taking_turns(tenant, export(IDS, "As it was"))
    kept = (await roll_back(tenant, between))["report"]["undone"]
    assert kept == {"deleted": 0, "restored": 0, "kept": IDS}
    assert await first_words(tenant) == {"Round"}
    await roll_back(tenant, job_id)
    assert await first_words(tenant) == {"Between"}
