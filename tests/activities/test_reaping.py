"""The reaper's sweep continues abandoned work and leaves all other work alone."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from activities.migration.ending import begin_undo
from activities.migration.job import locked_job
from domain.migration.job import Status
from receivers.receiver import Reply
from receivers.webhook import WebhookReceiver
from storage.migration import jobs as migration
from storage.postgres.database import Database
from tests.api.notification import notifying
from tests.operating.operator import Operator
from tests.service import Service, Tenant
from workflows.execution import is_alive, status_of
from workflows.migration.messages import UndoInput
from workflows.migration.start import migration_id
from workflows.reaper import ReaperWorkflow
from workflows.step import ORCHESTRATE
from workflows.sweep import Reaped, ReapInput

CSV = b"number,title,status,priority\nINC1,Printer,New,1\nINC2,Mail,New,2\n"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

Sweep = Callable[..., Awaitable[Reaped]]


@pytest.fixture(autouse=True)
async def sweep(service: Service, temporal_client: Client) -> Sweep:
    """One sweep, as the schedule starts it, on the service's own worker. What other tests left
    behind is swept already."""

    async def run(grace: timedelta = timedelta(0)) -> Reaped:
        return await temporal_client.execute_workflow(
            ReaperWorkflow.run,
            ReapInput(grace_seconds=int(grace.total_seconds())),
            id=f"reaper/{uuid4()}",
            task_queue=ORCHESTRATE,
        )

    await run()
    return run


def workflow_of(client: Client, job_id: str) -> WorkflowHandle[Any, Any]:
    return client.get_workflow_handle(migration_id(job_id))


async def uploaded(tenant: Tenant, content: bytes = CSV) -> str:
    return str((await tenant.upload(content)).json()["job"]["id"])


def aged(path: Path, age: timedelta) -> Path:
    """Make the file look as if it had been written that long ago."""
    then = time.time() - age.total_seconds()
    os.utime(path, (then, then))
    return path


def stored(tenant: Tenant, name: str, age: timedelta) -> Path:
    """A file in the tenant's part of the store that no job knows of."""
    path = tenant.service.settings.local_storage_dir / "objects" / tenant.slug / "migrations" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CSV)
    return aged(path, age)


class TestJobs:
    @pytest.fixture
    async def unstarted(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> str:
        """A job that was accepted while Temporal could not be reached."""

        async def unreachable(*_: object) -> None:
            raise RPCError("unavailable", RPCStatusCode.UNAVAILABLE, b"")

        monkeypatch.setattr("api.migration.upload.start_migration", unreachable)
        answer = await tenant.upload(CSV, wait=0)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job"]["id"])

    async def test_a_job_that_was_never_started_is_started(
        self, tenant: Tenant, unstarted: str, sweep: Sweep
    ) -> None:
        assert (await sweep()).started == 1
        assert (await tenant.settled(unstarted, "preview"))["status"] == "preview"
        assert (await sweep()).started == 0

    async def test_a_job_that_may_just_be_starting_is_left_alone(
        self, tenant: Tenant, unstarted: str, sweep: Sweep
    ) -> None:
        assert (await sweep(grace=HOUR)).started == 0
        assert (await tenant.job(unstarted))["status"] == "pending"

    async def test_a_terminated_job_is_taken_back_cleaned_up_and_closed(
        self, tenant: Tenant, sweep: Sweep, temporal_client: Client
    ) -> None:
        await tenant.migrate(CSV.replace(b"INC", b"KEPT"))
        rows = b"".join(b"INC%d,Printer,New,1\n" % number for number in range(30_000))
        job_id = await uploaded(tenant, b"number,title,status,priority\n" + rows)
        await tenant.post(f"/v1/migration/{job_id}/execute", {"batchSize": 100})
        async with asyncio.timeout(60):
            while (await tenant.job(job_id))["processedRecords"] == 0:
                pass
        assert (await tenant.post(f"/v1/migration/{job_id}/pause")).status_code == 202
        await workflow_of(temporal_client, job_id).terminate("by an operator")
        assert (await sweep()).closed == 1
        job = await tenant.settled(job_id)
        assert (job["status"], job["failure"]["code"]) == ("failed", "terminated")
        assert job["report"]["undone"]["deleted"] > 0
        left = await tenant.sql("select source_id from incidents order by source_id")
        assert [row["source_id"] for row in left] == ["KEPT1", "KEPT2"]
        assert tenant.stored_files() == []
        assert (await sweep()).closed == 0

    async def test_a_job_that_waits_for_its_user_is_left_alone(
        self, tenant: Tenant, sweep: Sweep
    ) -> None:
        job_id = await uploaded(tenant)
        for path in tenant.stored_files():
            aged(path, 30 * DAY)
        reaped = await sweep()
        assert (reaped.closed, reaped.objects) == (0, 0)
        assert (await tenant.execute(job_id))["status"] == "completed"

    async def test_a_job_that_completes_meanwhile_stays_complete(
        self, service: Service, tenant: Tenant, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The job is unfinished when the sweep lists it, and over when its workflow is asked."""
        job_id = await uploaded(tenant)
        database = Database(service.dsn)
        async with database.tenant(tenant.id) as connection:
            before = await migration.find(connection, UUID(job_id))
        await database.close()
        assert (await tenant.execute(job_id))["status"] == "completed"

        async def listed(_: object) -> list[Any]:
            return [before]

        monkeypatch.setattr(migration, "unfinished", listed)
        assert (await sweep()).closed == 0
        assert (await tenant.job(job_id))["status"] == "completed"
        assert len(await tenant.records()) == 2


class TestTrouble:
    async def test_a_workflow_that_an_operator_paused_is_alive(
        self, tenant: Tenant, sweep: Sweep, temporal_client: Client
    ) -> None:
        """temporalio 1.35 raises ValueError where it is asked for its status."""
        job_id = await uploaded(tenant)
        operator = Operator(temporal_client, migration_id(job_id))
        await operator.pause()
        reaped = await sweep()
        assert (reaped.closed, reaped.troubled) == (0, 0)
        for verb in ("execute", "cancel"):
            answer = await tenant.post(f"/v1/migration/{job_id}/{verb}")
            assert (answer.status_code, answer.json()["code"]) == (409, "workflow_paused")
        await operator.unpause()
        assert (await tenant.execute(job_id))["status"] == "completed"

    @pytest.mark.parametrize("status", [0, 1, 8, 42])
    def test_a_workflow_that_is_not_closed_is_alive(self, status: int) -> None:
        assert is_alive(status)

    @pytest.mark.parametrize("status", [None, 2, 3, 4, 5, 7])
    def test_a_closed_workflow_is_not_alive(self, status: int | None) -> None:
        assert not is_alive(status)

    async def test_one_jobs_trouble_keeps_no_other_waiting(
        self,
        tenant: Tenant,
        sweep: Sweep,
        temporal_client: Client,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        ids = [await uploaded(tenant), await uploaded(tenant)]
        for each in ids:
            await workflow_of(temporal_client, each).terminate("by an operator")

        async def unknown(client: Client, workflow_id: str) -> int | None:
            if workflow_id == migration_id(ids[0]):
                raise ValueError("9 is not a valid WorkflowExecutionStatus")
            return await status_of(client, workflow_id)

        monkeypatch.setattr("activities.migration.reaping.status_of", unknown)
        reaped = await sweep()
        assert (reaped.closed, reaped.troubled) == (1, 1)
        assert (await tenant.settled(ids[1]))["status"] == "failed"
        assert (await tenant.job(ids[0]))["status"] == "preview"
        monkeypatch.undo()
        assert (await sweep()).closed == 1

    async def test_a_rollback_that_was_terminated_is_finished(
        self, tenant: Tenant, sweep: Sweep, service: Service, temporal_client: Client
    ) -> None:
        """The row says that the completed job is being taken back, but no workflow does it."""
        job_id = await uploaded(tenant)
        await tenant.execute(job_id)
        ref = UndoInput(tenant_id=tenant.id, job_id=job_id, ending=Status.ROLLED_BACK)
        database = Database(service.dsn)
        async with locked_job(database, ref) as (connection, job):
            assert await begin_undo(connection, job, ref)
        await database.close()
        assert (await sweep()).closed == 1
        async with asyncio.timeout(60):
            while (await tenant.job(job_id))["status"] != "rolled_back":
                await asyncio.sleep(0.05)
        assert await tenant.records() == []


class TestFiles:
    async def test_a_file_that_no_job_needs_is_deleted(self, tenant: Tenant, sweep: Sweep) -> None:
        upload = stored(tenant, "01jd.csv", 2 * DAY)
        assert (await sweep(grace=HOUR)).objects == 1
        assert not upload.exists()

    async def test_an_upload_may_be_under_way_for_a_day(self, tenant: Tenant, sweep: Sweep) -> None:
        """An upload's job is made at its end; S3 dates the object by the upload's beginning."""
        upload = stored(tenant, "01jd.csv", 20 * HOUR)
        assert (await sweep()).objects == 0
        assert upload.exists()

    async def test_what_an_ended_job_left_is_deleted_after_the_grace(
        self, tenant: Tenant, sweep: Sweep
    ) -> None:
        job_id = await uploaded(tenant)
        names = [path.name for path in tenant.stored_files() if path.suffix == ".csv"]
        await tenant.execute(job_id)
        left = stored(tenant, names[0], HOUR / 2)
        chunk = stored(tenant, f"{left.stem}/000000.arrow", HOUR / 2)
        assert (await sweep(grace=HOUR)).objects == 0
        assert (await sweep()).objects == 2
        assert not left.exists()
        assert not chunk.exists()

    async def test_broken_uploads_are_removed_after_a_day(
        self, tenant: Tenant, sweep: Sweep
    ) -> None:
        partial = tenant.service.settings.local_storage_dir / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        (partial / "old").write_bytes(CSV)
        (partial / "young").write_bytes(CSV)
        aged(partial / "old", 2 * DAY)
        assert (await sweep()).uploads == 1
        assert [path.name for path in partial.glob("*")] == ["young"]
        (partial / "young").unlink()


async def test_deliveries_whose_workflow_was_terminated_are_sent(
    tenant: Tenant, sweep: Sweep, temporal_client: Client
) -> None:
    async with notifying.receiving(tenant, WebhookReceiver(notifying.SECRET)) as receiver:
        receiver.told.append(Reply(503))
        await notifying.webhook(tenant, receiver)
        response = await tenant.post("/v1/notifications", notifying.EVENT)
        [id] = [each["id"] for each in response.json()["data"]]
        await notifying.deliveries(tenant, id, lambda found: bool(found and found[0]["log"]))
        await temporal_client.get_workflow_handle(response.json()["workflowId"]).terminate()
        await sweep()
        [waiting] = (await notifying.notification(tenant, id))["deliveries"]
        assert waiting["status"] == "retrying"
        await tenant.sql(
            "update notification_deliveries set next_attempt_at = now() - '1 h'::interval"
        )
        await sweep()
        [delivery] = await notifying.deliveries(tenant, id)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
