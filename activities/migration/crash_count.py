"""Counts how often a job's long work starts without progress, and moves it to a separate process.

The rules are in domain/migration/crash_count.py. As an interceptor does this, the activities know
nothing of it. While the database is unavailable, work does not start; if the end of work cannot be
recorded, at worst the job is later moved to a separate process without need.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from activities.connections import Connections
from activities.errors import non_retryable
from activities.migration.alone import run_alone
from activities.migration.job import LoadedJob, load_job
from activities.migration.keys import new_chunk_number
from activities.retrying import until_done
from domain.failures import Died, Problem
from domain.migration.crash_count import Starts
from storage.migration.account import account_of
from storage.migration.crash_count import change_starts
from storage.postgres.database import FAILURES
from workflows.migration import steps

_PROCESS = str(uuid4())  # names this worker process
_PATIENCE = 20.0  # seconds to record the end of work, no more than a worker's grace (worker.py)
_WORK = {
    steps.parse_upload.name: "reading the file",
    steps.validate_records.name: "checking the records",
    steps.import_segment.name: "importing",
}


class CountStarts(Interceptor):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Counting(next, self._connections)


class _Counting(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, connections: Connections) -> None:
        super().__init__(next)
        self._connections, self._database = connections, connections.database

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        work = activity.info().activity_type
        if work not in _WORK:
            return await self.next.execute_activity(input)
        job = await load_job(self._database, input.args[0].job)
        return await self._counted(job, work, input)

    async def _counted(self, job: LoadedJob, work: str, input: ExecuteActivityInput) -> Any:
        confined = work == steps.parse_upload.name  # it always runs in a separate process
        done = await self._done(job, work)
        process = None if confined else _PROCESS
        starts = await self._change(job, lambda known: known.begun(work, done, process))
        if starts.alone and not confined:
            run = partial(self._alone, work, input)
        else:
            run = partial(self.next.execute_activity, input)
        try:
            result = await run()
        except Died as death:
            raise await self._died(job, work, death) from None
        except BaseException:
            await self._end(job, completed=False)
            raise
        await self._end(job, completed=True)
        return result

    async def _alone(self, work: str, input: ExecuteActivityInput) -> Any:
        memory = self._connections.memory
        async with memory.processes.holding(memory.process_bytes):
            return await run_alone(work, input.args[0], memory.process_bytes)

    async def _died(self, job: LoadedJob, work: str, death: Died) -> ApplicationError:
        """Count the death of a process; the error to raise, which is final after too many."""
        done = await self._done(job, work)
        starts = await self._change(job, lambda known: known.died(work, done))
        problem = _problem(job, work, death, self._connections.memory.process_bytes)
        activity.logger.warning("%s (%d)", problem.detail, starts.own_deaths)
        if starts.hopeless:
            return non_retryable(problem)
        return ApplicationError(problem.detail, type="process_died")

    async def _done(self, job: LoadedJob, work: str) -> int:
        """How much of the work is done: the chunks stored, or the batches imported; 0 for a
        validation, which begins anew each time."""
        if work == steps.parse_upload.name:
            listed = self._connections.store.list(f"{job.prefix}/")
            return len([1 async for each in listed if new_chunk_number(each.key) is not None])
        if work == steps.import_segment.name:
            async with self._database.tenant(job.tenant_id) as connection:
                return len((await account_of(connection, job.id)).held)
        return 0

    async def _change(self, job: LoadedJob, change: Callable[[Starts], Starts]) -> Starts:
        return await change_starts(self._database, job.tenant_id, UUID(job.ref.job_id), change)

    async def _end(self, job: LoadedJob, completed: bool) -> None:
        """Record that the work ended in order, waiting a while for an unavailable database."""
        with suppress(*FAILURES):
            async with asyncio.timeout(_PATIENCE):
                await until_done(
                    lambda: self._change(job, lambda known: known.ended(_PROCESS, completed))
                )


def _problem(job: LoadedJob, work: str, death: Died, limit: int) -> Problem:
    """The problem for the user: where the work stopped, why, and what to do about it."""
    sizes = job.chunk_sizes
    where, row = "", death.row
    if death.row is not None:
        where = f" at record {death.row:,} or after it (chunk {death.chunk})"
    elif death.chunk is not None and death.chunk < len(sizes):
        row = job.first_row(death.chunk)
        last = row + sizes[death.chunk][0] - 1
        where = f" in chunk {death.chunk} (records {row:,} to {last:,})"
    detail = (
        f"{_WORK[work]} stopped{where}: its process, which may take {limit // 2**20:,} MiB of"
        f" memory, {death}. Split the file, shorten its longest fields, or give the worker more"
        " memory"
    )
    return Problem(code="resource_limit", detail=detail, row=row, limit=limit)
