"""An activity that a run of before still does, while a later run moves the job on: between reading
the job's row and writing it, the row changes."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

import worker
from activities.connections import Connections
from activities.migration.closing import CloseActivities
from activities.migration.parsing import ParseActivities
from activities.migration.validating import ValidateActivities
from domain.mapping.mapping import ImportMapping
from domain.migration.job import Phase, Status
from storage.migration import jobs as migration
from storage.migration.importing.ledger import Superseded
from tests.blocked import until_blocked
from tests.service import Service, Tenant
from workflows.migration import messages as m
from workflows.migration.start import migration_id

CSV = b"number,title,status,priority\nINC1,Printer,New,1\nINC2,Mail,New,2\n"
FIELDS = [
    {"sourceField": each, "targetField": each} for each in ("title", "status", "priority")
] + [{"sourceField": "title", "targetField": "due_at"}]
WRONG = ImportMapping.model_validate({"fieldMappings": FIELDS})  # no title is a date
ENDS = "status = 'failed', phase = 'done', completed_at = now()"
IMPORTS_PAUSED = "status = 'paused', phase = 'importing', started_at = now()"


@pytest.fixture
async def connections(service: Service) -> AsyncIterator[Connections]:
    async with worker.connected(service.settings) as (_, connections):
        yield connections


@pytest.fixture
async def job(tenant: Tenant) -> m.JobRef:
    """A job that waits in preview."""
    uploaded = await tenant.upload(CSV)
    return m.JobRef(tenant_id=tenant.id, job_id=uploaded.json()["job"]["id"])


async def overtaken(
    tenant: Tenant, job: m.JobRef, doing: Coroutine[Any, Any, Any], change: str
) -> Any:
    """The result of `doing` if the job's row changes just before `doing` writes it."""
    connection = await asyncpg.connect(tenant.service.dsn)
    try:
        async with connection.transaction():
            await connection.execute(
                f"update public.migration_jobs set {change} where id = $1", job.job_id
            )
            task = asyncio.create_task(doing)
            await until_blocked(tenant.sql, connection.get_server_pid())
        return await task
    finally:
        await connection.close()


async def _in_activity(validating: ValidateActivities, input: m.ValidateInput) -> m.Validated:
    environment = ActivityEnvironment()
    id = migration_id(input.job.job_id)
    environment.info = dataclasses.replace(
        environment.info, workflow_id=id, workflow_type="Migration"
    )
    validated: m.Validated = await environment.run(validating.validate_records, input)
    return validated


async def test_a_late_clean_up_does_not_reopen_an_ended_job(
    connections: Connections, tenant: Tenant, job: m.JobRef
) -> None:
    await overtaken(tenant, job, CloseActivities(connections).clean_up(job), ENDS)
    ended = await tenant.job(job.job_id)
    assert (ended["status"], ended["phase"]) == ("failed", "done")


@pytest.mark.parametrize(
    ("status", "phase"),
    [(Status.PREVIEW, Phase.AWAITING_EXECUTE), (Status.PROCESSING, Phase.VALIDATING)],
)
async def test_a_late_report_does_not_take_a_begun_import_back_to_preview(
    connections: Connections, tenant: Tenant, job: m.JobRef, status: Status, phase: Phase
) -> None:
    state = m.StateInput(job=job, status=status, phase=phase)
    with pytest.raises(Superseded):
        await overtaken(tenant, job, CloseActivities(connections).set_state(state), IMPORTS_PAUSED)
    assert (await tenant.job(job.job_id))["status"] == "paused"


@pytest.mark.parametrize(
    ("now", "late"), [("paused", Status.PROCESSING), ("processing", Status.PAUSED)]
)
async def test_a_late_report_does_not_revert_the_users_last_request(
    connections: Connections, tenant: Tenant, job: m.JobRef, now: str, late: Status
) -> None:
    state = m.StateInput(job=job, status=late, phase=Phase.IMPORTING, turn=1)
    since = f"status = '{now}', phase = 'importing', started_at = now(), turn = 2"
    found = await overtaken(tenant, job, CloseActivities(connections).set_state(state), since)
    assert found.status == now
    assert (await tenant.job(job.job_id))["status"] == now


async def test_a_late_report_does_not_take_validation_back_to_preview(
    connections: Connections, tenant: Tenant, job: m.JobRef
) -> None:
    late = m.StateInput(job=job, status=Status.PREVIEW, phase=Phase.AWAITING_EXECUTE, turn=1)
    since = "status = 'processing', phase = 'validating', turn = 2"
    await overtaken(tenant, job, CloseActivities(connections).set_state(late), since)
    assert (await tenant.job(job.job_id))["phase"] == "validating"


async def test_a_repeated_report_is_accepted(
    connections: Connections, tenant: Tenant, job: m.JobRef
) -> None:
    [turn] = await tenant.sql("select turn from public.migration_jobs where id = $1", job.job_id)
    state = m.StateInput(
        job=job, status=Status.PROCESSING, phase=Phase.VALIDATING, turn=turn["turn"]
    )
    assert (await CloseActivities(connections).set_state(state)).status is Status.PROCESSING


async def test_a_late_inspection_does_not_take_a_begun_import_back(
    connections: Connections, tenant: Tenant, job: m.JobRef
) -> None:
    parsing = ParseActivities(connections, tenant.service.settings)
    with pytest.raises(Superseded):
        await overtaken(tenant, job, parsing.inspect_upload(job), IMPORTS_PAUSED)
    importing = await tenant.job(job.job_id)
    assert (importing["status"], importing["phase"]) == ("paused", "importing")


@pytest.mark.parametrize("change", [ENDS, IMPORTS_PAUSED])
async def test_late_findings_about_the_file_are_not_stored(
    connections: Connections, tenant: Tenant, job: m.JobRef, change: str
) -> None:
    async with connections.database.tenant(tenant.id) as connection:
        revision = await migration.add_mapping(connection, tenant.id, UUID(job.job_id), WRONG)
    late = m.ValidateInput(job=job, revision=revision)
    with pytest.raises(Superseded):
        await overtaken(tenant, job, _in_activity(ValidateActivities(connections), late), change)
    assert await tenant.errors(job.job_id) == []
