"""A migration workflow from the outside, as the API and an operator steer it."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from domain.migration.job import Options, Phase, Status
from tests.workflows.migration.fake_job import PATIENCE, SUMMARY, FakeJob
from workflows.migration.ending import Ended
from workflows.migration.start import migration_id, start_migration
from workflows.migration.steering import ExecuteRequest
from workflows.migration.workflow import MigrationInput, MigrationWorkflow

WEEK = 7 * 24 * 3600


class Steering:
    """One job's workflow."""

    def __init__(self, client: Client, job: FakeJob) -> None:
        self.client, self.job = client, job

    @property
    def handle(self) -> WorkflowHandle[MigrationWorkflow, Ended]:
        id = migration_id(self.job.job_id)
        return self.client.get_workflow_handle_for(MigrationWorkflow.run, id)

    async def start(self, **input: Any) -> None:
        input = {"job": self.job.ref, "ttl_seconds": WEEK, **input}
        await start_migration(self.client, MigrationInput(**input), SUMMARY)

    async def previewed(self, **input: Any) -> None:
        """Start, and go as far as the first preview."""
        await self.start(**input)
        await self.job.reads(Status.PREVIEW, Phase.AWAITING_EXECUTE)

    async def preview(self, revision: int) -> None:
        await self.handle.execute_update(MigrationWorkflow.preview, revision)

    async def execute(self, revision: int = 0, **options: Any) -> None:
        request = ExecuteRequest(revision=revision, options=Options(**options))
        await self.handle.execute_update(MigrationWorkflow.execute, request)

    async def pause(self) -> None:
        await self.handle.execute_update(MigrationWorkflow.pause)

    async def resume(self) -> None:
        await self.handle.execute_update(MigrationWorkflow.resume)

    async def cancel(self) -> None:
        await self.handle.execute_update(MigrationWorkflow.cancel)

    async def result(self) -> Ended:
        async with asyncio.timeout(PATIENCE):
            return await self.handle.result()

    async def failure(self) -> BaseException:
        """What the workflow failed with, at the top."""
        with pytest.raises(WorkflowFailureError) as failed:
            await self.result()
        return failed.value.cause

    async def reaches(self, phase: Phase) -> None:
        """Wait until the workflow says that it is in the phase."""
        async with asyncio.timeout(PATIENCE):
            while await self.handle.query(MigrationWorkflow.phase) != phase:
                pass

    async def stop(self) -> None:
        """End the workflow, so that the next test's workers do not get it."""
        with suppress(RPCError):  # it has ended
            await self.handle.terminate()


async def refusal(asking: Awaitable[None]) -> str:
    """The sentence with which the workflow refuses an update as `invalid_state`."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await asking
    cause = refused.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "invalid_state"
    return cause.message
