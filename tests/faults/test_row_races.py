"""The job's row changes while an activity reads it: the activity follows the final row."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.connections import Connections
from activities.memory import available, divided
from activities.migration.closing import CloseActivities
from activities.migration.ending import begin_undo
from activities.migration.importing import ImportActivities
from activities.migration.job import locked_job
from domain.failures import Problem
from domain.migration.job import Options, Phase, Status
from storage.migration import jobs as migration
from storage.migration.importing.ledger import Superseded
from storage.migration.jobs import Job
from tests.blocked import until_blocked
from tests.faults.exports import export
from tests.service import Tenant
from worker import connections
from workflows.migration import messages as m

T = TypeVar("T")
CANCELLED = Problem(code="cancelled", detail="an earlier reason")
TERMINATED = Problem(code="terminated", detail="somebody ended the job's workflow in Temporal")


@dataclass(frozen=True, slots=True)
class Scene:
    """A job that waits in preview, and the connections of activities."""

    tenant: Tenant
    found: Connections
    ref: m.JobRef

    @property
    def id(self) -> UUID:
        return UUID(self.ref.job_id)

    async def row(self) -> Job:
        async with self.found.database.tenant(self.tenant.id) as connection:
            row = await migration.find(connection, self.id)
        assert row is not None
        return row

    async def meanwhile(
        self, change: Callable[[AsyncConnection], Awaitable[object]], act: Awaitable[T]
    ) -> T:
        """The result of an act whose reading of the row has to wait for the change."""
        async with self.found.database.tenant(self.tenant.id) as connection:
            await change(connection)
            mine = await connection.scalar(text("select pg_backend_pid()"))
            acting = asyncio.ensure_future(act)
            await until_blocked(self.tenant.sql, mine)
        return await acting


@pytest.fixture
async def scene(tenant: Tenant) -> AsyncIterator[Scene]:
    job_id = (await tenant.upload(export(25))).json()["job"]["id"]
    memory = divided(available(), 2**30)
    async with connections(tenant.service.settings, memory) as found:
        yield Scene(tenant, found, m.JobRef(tenant_id=tenant.id, job_id=job_id))


async def test_a_late_preview_finds_that_the_import_has_begun(scene: Scene) -> None:
    late = m.StateInput(job=scene.ref, status=Status.PREVIEW, phase=Phase.AWAITING_EXECUTE)

    async def begins(connection: AsyncConnection) -> None:
        await migration.advance(connection, scene.id, Status.PROCESSING, Phase.IMPORTING)

    with pytest.raises(Superseded):
        await scene.meanwhile(begins, CloseActivities(scene.found).set_state(late))
    assert (await scene.row())["status"] == "processing"


async def test_a_pause_begins_no_import(scene: Scene) -> None:
    early = m.StateInput(job=scene.ref, status=Status.PAUSED, phase=Phase.IMPORTING)
    state = await CloseActivities(scene.found).set_state(early)
    row = await scene.row()
    assert (state.status, row["status"], row["started_at"]) == (Status.PREVIEW, "preview", None)


async def test_a_late_clean_up_finds_that_the_job_is_over(scene: Scene) -> None:
    async def closes(connection: AsyncConnection) -> None:
        await migration.advance(connection, scene.id, Status.CANCELLED, Phase.DONE)

    cleaned = await scene.meanwhile(closes, CloseActivities(scene.found).clean_up(scene.ref))
    row = await scene.row()
    assert (cleaned.deleted, row["status"], row["phase"]) == (0, "cancelled", "done")


async def test_batches_are_those_of_the_chunks_there_are_when_the_import_begins(
    scene: Scene,
) -> None:
    """The file was being read once more, by a version that cuts it into other chunks."""

    async def parses(connection: AsyncConnection) -> None:
        job = await migration.lock(connection, scene.id)
        assert job is not None
        profile = {**job["profile"], "chunks": [[500, 9_000]] * 3}
        await migration.note(connection, scene.id, chunks=3, profile=profile)

    begin = m.BeginInput(job=scene.ref, revision=1, options=Options(batch_size=100))
    begun = await scene.meanwhile(parses, ImportActivities(scene.found).begin_import(begin))
    assert begun.batches == (await scene.row())["batches"] == 3 * 5


@pytest.mark.parametrize("first", [None, CANCELLED])
async def test_who_ends_a_cancelled_job_gives_it_no_reason_of_his_own(
    scene: Scene, first: Problem | None
) -> None:
    """Its workflow was terminated while it took the job back, and the reaper does the rest."""
    cancel = m.UndoInput(**dict(scene.ref), ending=Status.CANCELLED, problem=first)
    async with locked_job(scene.found.database, scene.ref) as (connection, job):
        assert await begin_undo(connection, job, cancel)
    end = m.CloseInput(job=scene.ref, status=Status.FAILED, problem=TERMINATED)
    assert (await CloseActivities(scene.found).close_job(end)).status is Status.CANCELLED
    row = await scene.row()
    told = None if first is None else first.model_dump(exclude_none=True)
    assert (row["status"], row["failure"]) == ("cancelled", told)
