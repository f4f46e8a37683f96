"""Steering a migration: pause, resume, cancel, fail, expire, roll back, and what remains."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from temporalio.client import Client

from api.app import create_app
from domain.mapping.entities.incident import INCIDENT
from storage.migration.importing.undo import undo_batch, undoable
from storage.postgres.database import Database
from tests.faults.exports import export
from tests.service import Service, Tenant
from workflows.migration.start import migration_id

ROWS = 30_000
SMALL = 100  # records a batch: there is always a next batch to stop before
EXISTING = 2_000


async def uploaded(tenant: Tenant, content: bytes, **fields: Any) -> str:
    response = await tenant.upload(content, **fields)
    assert response.status_code in (201, 202), response.text
    job_id: str = response.json()["job"]["id"]
    return job_id


async def importing(tenant: Tenant, job_id: str, **options: Any) -> None:
    """Execute in small batches; returns when some new rows have been imported."""
    body = {"batchSize": SMALL, **options}
    response = await tenant.post(f"/v1/migration/{job_id}/execute", body)
    assert response.status_code == 202, response.text
    async with asyncio.timeout(60):
        while not (job := await tenant.job(job_id))["successfulRecords"]:
            await asyncio.sleep(0.02)
    assert job["status"] == "processing"


async def steered(tenant: Tenant, job_id: str, verb: str) -> dict[str, Any]:
    """Ask for something that must act within 5 s; the job as the answer shows it."""
    async with asyncio.timeout(5):
        response = await tenant.post(f"/v1/migration/{job_id}/{verb}")
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()["job"]
    return job


_REFUSED = (409, "invalid_state")


async def refusal(tenant: Tenant, job_id: str, verb: str) -> tuple[int, str]:
    response = await tenant.post(f"/v1/migration/{job_id}/{verb}")
    return response.status_code, response.json()["code"]


async def content(tenant: Tenant) -> list[Any]:
    """Every row of the tenant, with every column."""
    return await tenant.sql("select to_jsonb(t)::text from incidents t order by id")


async def earlier_import(tenant: Tenant) -> list[Any]:
    """Import rows before the job under test and edit one; returns their content."""
    await tenant.migrate(export(EXISTING, title="As it was"))
    await tenant.sql("update incidents set title = 'Edited' where source_id = 'INC0000007'")
    return await content(tenant)


async def cancel(tenant: Tenant, job_id: str) -> dict[str, Any]:
    """Cancel, which stops the job within 5 s; the job as it ended."""
    await steered(tenant, job_id, "cancel")
    async with asyncio.timeout(5):
        while (await tenant.job(job_id))["phase"] not in ("undoing", "cleaning_up", "done"):
            await asyncio.sleep(0.02)
    job = await tenant.settled(job_id)
    assert (job["status"], job["phase"]) == ("cancelled", "done")
    assert job["report"]["outcome"] == "cancelled"
    assert job["processedRecords"] == 0
    assert job["completedAt"] is not None
    assert tenant.stored_files() == []
    return job


class TestPause:
    async def test_stops_between_batches_and_resume_completes(
        self, tenant: Tenant, temporal_client: Client
    ) -> None:
        job_id = await uploaded(tenant, export(ROWS))
        await importing(tenant, job_id)
        paused = await steered(tenant, job_id, "pause")
        assert paused["status"] == "paused"
        assert paused["processedRecords"] < ROWS
        workflow = temporal_client.get_workflow_handle(migration_id(job_id))
        async with asyncio.timeout(60):
            while (await workflow.describe()).raw_description.pending_activities:
                await asyncio.sleep(0.02)
        assert (await tenant.job(job_id))["processedRecords"] == paused["processedRecords"]
        assert len(await content(tenant)) == paused["processedRecords"]
        assert await refusal(tenant, job_id, "pause") == _REFUSED

        assert (await steered(tenant, job_id, "resume"))["status"] == "processing"
        assert await refusal(tenant, job_id, "resume") == _REFUSED
        job = await tenant.settled(job_id)
        assert (job["status"], job["successfulRecords"]) == ("completed", ROWS)
        assert len(await content(tenant)) == ROWS

    async def test_is_refused_before_the_import_and_after_it(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, export(1))
        assert await refusal(tenant, job_id, "pause") == _REFUSED
        assert await refusal(tenant, job_id, "resume") == _REFUSED
        await tenant.execute(job_id)
        assert await refusal(tenant, job_id, "pause") == _REFUSED
        assert await refusal(tenant, job_id, "cancel") == _REFUSED

    async def test_execute_twice_is_refused(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, export(ROWS))
        await importing(tenant, job_id)
        assert await refusal(tenant, job_id, "execute") == _REFUSED
        await cancel(tenant, job_id)
        assert await refusal(tenant, job_id, "execute") == _REFUSED


class TestCancel:
    """Afterwards everything is as it was before the job, but for the job's own row and report."""

    @pytest.mark.parametrize("update", [False, True], ids=["skip", "update"])
    @pytest.mark.parametrize("paused", [False, True], ids=["importing", "paused"])
    async def test_in_the_import(self, tenant: Tenant, update: bool, paused: bool) -> None:
        before = await earlier_import(tenant)
        job_id = await uploaded(tenant, export(ROWS))
        await importing(tenant, job_id, updateExisting=update, overwriteEdits=update)
        if paused:
            await steered(tenant, job_id, "pause")
        job = await cancel(tenant, job_id)
        undone = job["report"]["undone"]
        assert undone["deleted"] > 0
        assert undone["restored"] == (EXISTING if update else 0)
        assert undone["kept"] == 0
        assert await content(tenant) == before
        assert await tenant.errors(job_id) == []

    @pytest.mark.parametrize("paused", [False, True], ids=["importing", "paused"])
    async def test_is_the_last_word(self, tenant: Tenant, paused: bool) -> None:
        """Nobody may pause or resume a job that was cancelled, and its row never says so."""
        job_id = await uploaded(tenant, export(ROWS))
        await importing(tenant, job_id)
        if paused:
            await steered(tenant, job_id, "pause")
        await steered(tenant, job_id, "cancel")
        response = await tenant.post(f"/v1/migration/{job_id}/{'resume' if paused else 'pause'}")
        assert (response.status_code, response.json()["code"]) == (409, "invalid_state")
        assert (await tenant.settled(job_id))["status"] == "cancelled"
        response = await tenant.post(f"/v1/migration/{job_id}/execute", {})
        assert response.status_code == 409
        assert response.json()["detail"].startswith("the job is cancelled; only a completed one")

    async def test_in_preview(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, export(100))
        assert tenant.stored_files() != []
        job = await cancel(tenant, job_id)
        assert job["report"]["undone"] == {"deleted": 0, "restored": 0, "kept": 0}

    async def test_while_parsing(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, export(2 * ROWS), wait=0)
        async with asyncio.timeout(60):
            while (await tenant.job(job_id))["phase"] != "parsing":
                await asyncio.sleep(0.01)
        await cancel(tenant, job_id)
        assert await content(tenant) == []

    async def test_before_the_workflow_has_begun(self, tenant: Tenant) -> None:
        job = await cancel(tenant, await uploaded(tenant, export(ROWS), wait=0))
        assert job["status"] == "cancelled"

    async def test_leaves_what_was_edited_meanwhile_and_says_so(self, tenant: Tenant) -> None:
        await earlier_import(tenant)
        job_id = await uploaded(tenant, export(ROWS))
        await importing(tenant, job_id, updateExisting=True)
        await steered(tenant, job_id, "pause")
        edited = ["INC0000003", f"INC{EXISTING + 1:07}"]  # one updated by the job, one inserted
        await tenant.sql("update incidents set title = 'Mine' where source_id = any($1)", edited)
        job = await cancel(tenant, job_id)
        assert job["report"]["undone"]["kept"] == 2
        kept = {each["sourceId"]: each["code"] for each in await tenant.errors(job_id)}
        assert kept == dict.fromkeys(edited, "kept_edited")
        titles = await tenant.sql("select title from incidents where source_id = any($1)", edited)
        assert {each["title"] for each in titles} == {"Mine"}

    async def test_says_everything_although_the_undo_was_interrupted(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, export(ROWS))
        await importing(tenant, job_id)
        written = (await steered(tenant, job_id, "pause"))["processedRecords"]
        job, database = UUID(job_id), Database(tenant.service.dsn)
        async with database.tenant(tenant.id) as connection:
            newest, *_ = await undoable(connection, job)
        await undo_batch(database, tenant.id, INCIDENT, job, newest)  # and then it was killed
        await undo_batch(database, tenant.id, INCIDENT, job, newest)  # counts only once
        await database.close()
        undone = (await cancel(tenant, job_id))["report"]["undone"]
        assert undone == {"deleted": written, "restored": 0, "kept": 0}


class TestFailure:
    @pytest.mark.parametrize("update", [False, True], ids=["skip", "update"])
    async def test_in_the_middle_takes_everything_back(self, tenant: Tenant, update: bool) -> None:
        before = await earlier_import(tenant)
        await tenant.sql("alter table incidents add constraint few check (source_row < 20000)")
        job_id = await uploaded(tenant, export(ROWS))
        options = {"updateExisting": update, "overwriteEdits": update}
        job = await tenant.execute(job_id, batchSize=1000, **options)
        assert (job["status"], job["report"]["outcome"]) == ("failed", "failed")
        assert job["failure"]["code"]
        assert "few" not in job["failure"]["detail"]
        undone = {"deleted": 19_000 - EXISTING, "restored": EXISTING if update else 0, "kept": 0}
        assert job["report"]["undone"] == undone
        assert await content(tenant) == before
        assert tenant.stored_files() == []


class TestRollback:
    async def test_keeps_what_was_edited_since(self, tenant: Tenant) -> None:
        await earlier_import(tenant)
        job_id = await uploaded(tenant, export(5_000))
        before = await content(tenant)
        assert (await tenant.execute(job_id, updateExisting=True))["status"] == "completed"
        edited = ["INC0000003", "INC0004000"]  # one updated by the job, one inserted
        await tenant.sql("update incidents set title = 'Mine' where source_id = any($1)", edited)
        kept = await tenant.sql(
            "select to_jsonb(t)::text from incidents t where source_id = any($1)", edited
        )

        job = await roll_back(tenant, job_id)
        # The one that was edited before was not updated, and is none of this job's.
        undone = {"deleted": 5_000 - EXISTING - 1, "restored": EXISTING - 2, "kept": 2}
        assert job["report"]["undone"] == undone
        errors = await tenant.errors(job_id)
        assert {each["sourceId"] for each in errors} == set(edited)
        assert "by somebody or by a later import" in errors[0]["detail"]
        others = "select to_jsonb(t)::text from incidents t where source_id <> all($1) order by id"
        after = await tenant.sql(others, edited)
        assert set(after) < set(before)
        assert len(after) == EXISTING - 1
        assert len(await content(tenant)) == EXISTING + 1
        assert set(kept) < set(await content(tenant))

    @pytest.mark.parametrize(
        "rule",
        [
            *("", "deferrable initially deferred", "on delete restrict", "on delete cascade"),
            "on delete set null",
        ],
    )
    async def test_keeps_what_other_data_refers_to(self, tenant: Tenant, rule: str) -> None:
        job_id = await uploaded(tenant, export(1_000))
        assert (await tenant.execute(job_id))["status"] == "completed"
        await tenant.run(
            f'create table comments (about uuid references incidents {rule}, "a:b" text)'
        )
        if rule in ("on delete cascade", "on delete set null"):
            await tenant.run("grant select on comments to firelater_app")
        referenced = ["INC0000001", "INC0000500", "INC0000501", "INC0001000"]
        await tenant.sql(
            "insert into comments select id, 'Mine' from incidents where source_id = any($1)",
            referenced,
        )
        await tenant.sql("update incidents set title = 'Mine' where source_id = 'INC0000007'")

        job = await roll_back(tenant, job_id)
        assert job["report"]["undone"] == {"deleted": 995, "restored": 0, "kept": 5}
        kept = {each["sourceId"]: each["code"] for each in await tenant.errors(job_id)}
        edited = {"INC0000007": "kept_edited"}
        assert kept == dict.fromkeys(referenced, "kept_referenced") | edited
        assert len(await content(tenant)) == 5
        assert await tenant.sql("select count(about) from comments") == [(4,)]
        assert job["warnings"] == []

    async def test_happens_once(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, export(100))
        await refused_rollback(tenant, job_id)
        await tenant.execute(job_id)
        first, second = await asyncio.gather(rollback(tenant, job_id), rollback(tenant, job_id))
        assert sorted([first.status_code, second.status_code]) == [202, 409]
        await until_rolled_back(tenant, job_id)
        await refused_rollback(tenant, job_id)
        assert await content(tenant) == []

    @pytest.mark.parametrize("phase", ["undoing", "cleaning_up"])
    async def test_is_not_shown_as_completed_before_its_end(
        self, tenant: Tenant, phase: str
    ) -> None:
        """The row says `completed` until then: a client must not take that for the end."""
        job_id = await uploaded(tenant, export(100))
        await tenant.execute(job_id)
        row = f"update public.migration_jobs set phase = '{phase}' where id = '{job_id}'"
        await tenant.run(row)
        assert (await tenant.job(job_id))["status"] == "processing"
        listed = await tenant.get("/v1/migration", status="processing")
        assert [each["id"] for each in listed.json()["data"]] == [job_id]


async def rollback(tenant: Tenant, job_id: str) -> httpx.Response:
    path = f"/v1/migration/{job_id}/rollback"
    return await tenant.service.http.delete(path, headers=tenant.headers)


async def refused_rollback(tenant: Tenant, job_id: str) -> None:
    response = await rollback(tenant, job_id)
    assert (response.status_code, response.json()["code"]) == (409, "invalid_state")


async def until_rolled_back(tenant: Tenant, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (job := await tenant.job(job_id))["status"] != "rolled_back":
            await asyncio.sleep(0.02)
    return job


async def roll_back(tenant: Tenant, job_id: str) -> dict[str, Any]:
    assert (await rollback(tenant, job_id)).status_code == 202
    return await until_rolled_back(tenant, job_id)


class TestTwoJobsAtOnce:
    @pytest.mark.parametrize("update", [False, True], ids=["skip", "update"])
    async def test_of_the_same_records_account_for_each_row(
        self, tenant: Tenant, update: bool
    ) -> None:
        rows = 50_000
        ids = [await uploaded(tenant, export(rows, title)) for title in ("One", "Two")]
        jobs = await asyncio.gather(
            *(tenant.execute(each, updateExisting=update, batchSize=2_000) for each in ids)
        )
        assert [job["status"] for job in jobs] == ["completed", "completed"]
        assert [job["processedRecords"] for job in jobs] == [rows, rows]
        assert sum(job["successfulRecords"] for job in jobs) == rows
        again = "updatedRecords" if update else "skippedRecords"
        assert sum(job[again] for job in jobs) == rows
        assert len(await content(tenant)) == rows
        attempts = await tenant.sql("select distinct attempts from import_chunks")
        assert [each["attempts"] for each in attempts] == [1]


class TestExpiry:
    async def test_of_a_job_that_nobody_executes(self, short_lived: Tenant) -> None:
        job_id = await uploaded(short_lived, export(100))
        assert await expiry(short_lived, job_id) == ("failed", "expired")

    async def test_of_a_job_that_stays_paused(self, short_lived: Tenant) -> None:
        job_id = await uploaded(short_lived, export(ROWS))
        await importing(short_lived, job_id)
        await steered(short_lived, job_id, "pause")
        assert await expiry(short_lived, job_id) == ("failed", "expired")


async def expiry(tenant: Tenant, job_id: str) -> tuple[str, str]:
    """How the job ended; asserts that nothing of it is left."""
    job = await tenant.settled(job_id)
    assert tenant.stored_files() == []
    assert await content(tenant) == []
    return job["status"], job["failure"]["code"]


@pytest.fixture
async def short_lived(tenant: Tenant) -> AsyncIterator[Tenant]:
    """A tenant of an API whose idle jobs expire after 5 s."""
    async with api_with(tenant.service, migration_ttl_seconds=5) as service:
        created = {"apiKey": tenant.key, "data": {"id": tenant.id}}
        yield Tenant(service, tenant.slug, created)


@asynccontextmanager
async def api_with(service: Service, **changes: Any) -> AsyncIterator[Service]:
    app = create_app(service.settings.model_copy(update=changes))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", timeout=90) as http,
    ):
        yield replace(service, http=http)
